"""A corpus as tokens: a typed text cut into them, and how often each occurs."""

import re
from html import escape

import pandas as pd
import streamlit as st

from lm import charts
from lm.datasets import Corpus
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import UnknownTokenError
from pages.common import corpora, wording
from pages.common.components.chart import draw

MOST_TOKENS = 400
BARS = 40
CSS = """<style>
.chips { display: flex; flex-wrap: wrap; gap: 0.2rem; line-height: 1.2; }
.chips span { display: inline-flex; flex-direction: column; align-items: center;
  padding: 0.15rem 0.4rem; border-radius: 0.3rem; white-space: pre; max-width: 100%;
  background: color-mix(in srgb, currentColor 7%, transparent); }
.chips b { font: 500 0.95rem "Source Code Pro", monospace; overflow-wrap: anywhere;
  white-space: pre-wrap; }
.chips small { font-size: 0.7rem; opacity: 0.75; font-variant-numeric: tabular-nums; }
</style>"""


def _first_words(text: str, most: int = 48) -> str:
    """The first whole words of a text, up to `most` characters, or that much of a longer word."""
    text = text.strip()
    if len(text) <= most:
        return text
    return re.split(r"\s+\S*$", text[: most + 1], maxsplit=1)[0][:most]


def tokenise(corpus: Corpus, text_of_corpus: str) -> None:
    """A field to type in, and below it the tokens of what was typed."""
    text = st.text_area(
        "Text",
        _first_words(text_of_corpus),
        key=f"typed-{corpus.sha256}",  # what was typed for another text may have other letters
        max_chars=2_000,
        persist_state="session",
    )
    try:
        token_ids = corpus.tokenizer.encode(text)
    except UnknownTokenError as error:
        st.warning(wording.plain(str(error)))
        return
    chips = "".join(
        f"<span><b>{escape(_visible(corpus.tokenizer.token_text(token_id)))}</b>"
        f"<small>{token_id}</small></span>"
        for token_id in map(int, token_ids[:MOST_TOKENS])
    )
    more = len(token_ids) - MOST_TOKENS
    st.html(f"{CSS}<div class='chips'>{chips}</div>")
    st.caption(
        f"{len(token_ids):,} tokens for {len(text):,} characters; under each its number."
        + (f" {more:,} more are not shown." if more > 0 else "")
    )


def _visible(token: str) -> str:
    """A token with its white space made visible."""
    return token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")


def frequencies(data: DataConfig, corpus: Corpus) -> None:
    """The commonest tokens, and all of them by rank."""
    token_ids, counts = corpora.frequencies(data)
    counts = counts[counts > 0]
    texts = [_visible(corpus.tokenizer.token_text(int(i))) for i in token_ids[: len(counts)][:BARS]]
    top = pd.DataFrame({"token": texts, "count": counts[:BARS]})
    top["share"] = top["count"] / counts.sum()
    first = ", ".join(f"{row.token} {row.share:.1%}" for row in top.head(5).itertuples())
    draw(charts.frequency_chart(top), alt=f"The commonest tokens: {first}.")
    if corpus.tokenizer.vocab_size > 4 * BARS:
        ranks = charts.log_spaced(len(counts))
        draw(
            charts.rank_chart(pd.DataFrame({"rank": ranks, "count": counts[ranks - 1]})),
            alt=f"Count against rank for {len(counts):,} tokens, both logarithmic.",
        )
