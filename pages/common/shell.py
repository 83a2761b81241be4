"""The shell around every page: browser tab, navigation, heading.

Streamlit has two page mechanisms. Because a folder named `pages/` exists, a fresh server starts
in the old one: its first visitor to `/compare` gets `pages/compare.py` without `app.py`. So every
page opens with `page(...)`, which in that case hands over to the router at once.
"""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager

from lm.base.machine import use_one_blas_thread

NAME = "Small language models"

# File in pages/ -> title. The first is served at "/", the others at "/<file>". Pages have no
# icons: Streamlit would fetch them from the network, for the browser tab.
PAGES = {
    "start": "Start",
    "data": "Data",
    "train": "Train",
    "compare": "Compare",
    "study": "Study",
    "generate": "Generate",
}


def configure() -> None:
    """Set what the browser tab shows and how wide pages are."""
    use_one_blas_thread()
    favicon = Path(__file__).with_name("favicon.svg")
    st.set_page_config(page_title=NAME, page_icon=str(favicon), layout="wide")


def navigation() -> StreamlitPage:
    """Register all pages, draw the navigation, and return the page the URL asks for."""
    pages = [
        st.Page(f"pages/{file}.py", title=title, default=file == "start")
        for file, title in PAGES.items()
    ]
    return st.navigation(pages, position="top")


def page(title: str, lede: str) -> None:
    """Open a page: the first call of every script in `pages/`. `lede` is a Markdown sentence."""
    if PagesManager.uses_pages_directory:  # the old mechanism: app.py has not run
        navigation()  # switches it off for the life of the server
        st.rerun()
    st.title(title, anchor=False)
    st.markdown(lede)


def go(file: str, **query: str) -> None:
    """Leave for another page, named by its file in `pages/`, with query parameters."""
    st.switch_page(f"pages/{file}.py", query_params=query or None)


def nothing_trained(sentence: str) -> None:
    """Say why a page is empty, and offer the one thing to do about it."""
    st.info(f"{sentence} A first one takes about 20 seconds.")
    st.page_link("pages/start.py", label="Train your first model →")
