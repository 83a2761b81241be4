"""A corpus in figures: the size of its splits, and the losses that guessing reaches on them."""

import pandas as pd
import streamlit as st

from lm.base.records import Evaluation
from lm.base.wording import counted, percent
from lm.datasets import Corpus
from lm.datasets.config import DataConfig
from pages.common import corpora, wording

GUESSES = {
    "uniform": "uniform: every token alike",
    "unigram": "unigram: how often each occurs",
    "bigram": "bigram: what follows the last token",
}


def show(corpus: Corpus) -> None:
    """Characters and tokens of each split."""
    whole = sum(split.n_chars for split in corpus.splits.values())
    rows = []
    for name, split in corpus.splits.items():
        row = {
            "Split": name,
            "Characters": wording.count(split.n_chars),
            "Tokens": wording.count(split.n_tokens),
            "Share": f"{split.n_chars / whole:.1%}",
        }
        if split.unknown_share is not None:
            row["Unknown words"] = percent(split.unknown_share)
        rows.append(row)
    st.metric("Vocabulary", counted(corpus.tokenizer.vocab_size, "token"))
    _table(rows, alt="The corpus's splits")
    st.caption(f"{corpus.cut} sha256 of the text: {corpus.sha256[:16]}…".strip())


def guessing(data: DataConfig, corpus: Corpus) -> None:
    """The scores of n-grams and, for an invented language, of a perfect model."""
    part = "test" if corpus.test is not None else "valid"
    split = corpus.splits[part]
    scores = {}
    for name, parts in corpora.baselines(data).items():
        n_before = name.partition("-gram")[0]
        guess = GUESSES.get(name) or f"{name}: what follows the last {int(n_before) - 1} tokens"
        scores[guess] = parts[part]
    if (nats := split.source_nats) is not None:
        scores["the language itself: no model does better"] = Evaluation(
            total_nats=nats, n_tokens=split.n_tokens, n_chars=split.n_chars
        )
    rows = [{"Prediction": guess, **_figures(score)} for guess, score in scores.items()]
    _table(rows, alt="What guessing already buys")
    note = f"Scored on the whole {part} split; counts are the train split's."
    if corpus.entropy_per_char is not None:
        note += (
            f" The language's exact entropy is {corpus.entropy_per_char:.4f} nats per character; "
            "this text, being finite, lies a little beside it."
        )
    st.caption(note)


def _table(rows: list[dict[str, str]], alt: str) -> None:
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt=alt)


def _figures(result: Evaluation) -> dict[str, str]:
    """The losses, those first that compare."""
    per_token = {
        "Loss (nats per token)": f"{result.loss:.3f}",
        "Perplexity": f"{result.perplexity:,.1f}",
    }
    per_char = {"Bits per character": f"{result.bits_per_char:.3f}"}
    if result.spelling_nats:
        per_char["of them to spell unknown words"] = f"{result.spelling_bits_per_char:.3f}"
    if (spacing := f"{result.spacing_bits_per_char or 0:.3f}") != "0.000":
        per_char["of them to tell white space"] = spacing
    return per_token | per_char if result.compares_by_loss else per_char | per_token
