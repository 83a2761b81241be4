"""Data: the corpora as text and as tokens, and the losses that guessing reaches on them."""

import streamlit as st

from lm.datasets.config import DataConfig
from pages.common import corpora, links, shell, wording
from pages.common.data import form, splits, tokens

EXCERPT = 600  # characters


def show(data: DataConfig) -> None:
    """An excerpt of the text, its splits, what guessing reaches, and its tokens."""
    try:
        text, corpus = corpora.texts(data).train, corpora.load(data)
    except ValueError as error:
        st.error(wording.plain(str(error)))
        return
    if corpus.notes:
        st.info(wording.several(corpus.notes))
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Excerpt", anchor=False)
        st.code(text[:EXCERPT], language=None, wrap_lines=True)
    with right:
        st.header("Splits", anchor=False)
        splits.show(corpus)
        if st.button(f"Train on {wording.plain(corpora.title(data))}", key="train", type="primary"):
            links.to_train_dataset(data).follow()
        st.header("How often each token occurs", anchor=False)
        tokens.frequencies(data, corpus)
    st.header("What guessing already buys", anchor=False)
    splits.guessing(data, corpus)
    st.header("Type to tokenise", anchor=False)
    tokens.tokenise(corpus, text)


shell.page(
    "Data",
    "What there is to learn from: as text, as tokens, and what guessing already buys before any "
    "model is trained.",
)
data = form.show()
if data is not None:
    show(data)
