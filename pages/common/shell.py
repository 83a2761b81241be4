"""The shell around every page: browser tab, navigation, heading.

Streamlit has two page mechanisms. Because a folder named `pages/` exists, a fresh server starts
in the old one: its first visitor to `/compare` gets `pages/compare.py` without `app.py`. So every
page opens with `page(...)`, which in that case hands over to the router at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit import cli_util
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.server import server_util

from lm.base.machine import use_one_blas_thread
from lm.base.registry import Registry

NAME = "Small language models"
FOLDER = Path(__file__).parents[1]
LONGEST_LOADING = 20  # seconds; after them, visitors come first

# Streamlit enters every address that a page writes into the browser's history, and on the way to
# another page one without parameters. Going back to these would change nothing, or lose settings.
_ONE_STEP_A_PAGE = """<script>
if (!window.oneStepAPage) {
  window.oneStepAPage = true
  const push = history.pushState.bind(history)
  let emptied = {}
  history.pushState = (state, unused, url) => {
    const to = new URL(url, location.href)
    if (to.pathname === location.pathname) {
      emptied = to.search ? {} : { url: location.href, at: Date.now() }
      history.replaceState(state, unused, url)
    } else {
      if (Date.now() - emptied.at < 1000) history.replaceState(state, unused, emptied.url)
      push(state, unused, url)
    }
  }
}
</script>"""


@dataclass(frozen=True)
class Page:
    """A page: its place in the address, and what the navigation calls it."""

    name: str  # served at "/<name>"
    title: str
    source: Path | Callable[[], None] | None = None  # pages/<name>.py, if nothing else is said

    def for_streamlit(self) -> StreamlitPage:
        """The page as Streamlit knows it. The first of `PAGES` is served at "/"."""
        source = self.source or FOLDER / f"{self.name}.py"
        first = next(iter(PAGES)) == self.name
        return st.Page(source, title=self.title, url_path=self.name, default=first)


# In the order of the navigation. Pages have no icons: Streamlit would fetch them from the network,
# for the browser tab.
PAGE_NAMES = ("start", "data", "train", "compare", "study", "generate")
PAGES: Registry[Page] = Registry("page", [Page(name, name.capitalize()) for name in PAGE_NAMES])


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Before anybody visits the server: load what is slow to load, and open the browser."""
    from pages.common import caches  # caches are made once there is a server to keep them

    jobs = caches.jobs()  # a process of its own loads PyTorch, while this one loads Altair
    from pages.common.train import curve  # noqa: F401

    await asyncio.to_thread(jobs.wait_until_loaded, LONGEST_LOADING)

    if not st.get_option("server.headless"):  # Streamlit does this for a script, not for an `App`
        address = server_util.get_display_address(st.get_option("server.address"))
        asyncio.get_running_loop().call_soon(cli_util.open_browser, server_util.get_url(address))
    yield


def configure() -> None:
    """Set what the browser tab shows, how wide pages are, and what its history holds."""
    use_one_blas_thread()
    favicon = Path(__file__).with_name("favicon.svg")
    st.set_page_config(page_title=NAME, page_icon=str(favicon), layout="wide")
    st.html(_ONE_STEP_A_PAGE, unsafe_allow_javascript=True)


def navigation() -> StreamlitPage:
    """Register all pages, draw the navigation, and return the page the URL asks for."""
    return st.navigation([page.for_streamlit() for page in PAGES.values()], position="top")


def page(title: str, lede: str) -> None:
    """Open a page: the first call of every script in `pages/`. `lede` is a Markdown sentence."""
    if PagesManager.uses_pages_directory:  # the old mechanism: app.py has not run
        navigation()  # switches it off for the life of the server
        st.rerun()
    st.title(title, anchor=False)
    st.markdown(lede)
