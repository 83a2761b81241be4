"""A corpus in figures: the size of its splits, and the losses that guessing reaches on them."""

import pandas as pd
import streamlit as st

from lm.base.records import Evaluation
from lm.base.wording import counted, percent
from lm.datasets import Corpus
from lm.datasets.config import DataConfig
from pages.common import corpora, wording


def show(corpus: Corpus) -> None:
    """Characters and tokens of each split."""
    whole = sum(split.n_chars for split in corpus.splits.values())
    rows = [
        {
            "Split": name,
            "Characters": wording.count(split.n_chars),
            "Tokens": wording.count(split.n_tokens),
            "Share": f"{split.n_chars / whole:.1%}",
            **({} if (share := split.unknown_share) is None else {"Unknown words": percent(share)}),
        }
        for name, split in corpus.splits.items()
    ]
    st.metric("Vocabulary", counted(corpus.tokenizer.vocab_size, "token"))
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt="The corpus's splits")
    st.caption(f"{corpus.cut} sha256 of the text: {corpus.sha256[:16]}…".strip())


def guessing(data: DataConfig, corpus: Corpus) -> None:
    """The scores of n-grams and, for an invented language, of a perfect model."""
    baselines = corpora.baselines(data)
    part = "test" if corpus.test is not None else "valid"
    rows = [
        {"Prediction": _guess(name), **_figures(scores[part])} for name, scores in baselines.items()
    ]
    split = corpus.splits[part]
    if split.source_nats is not None:
        perfect = Evaluation(
            total_nats=split.source_nats, n_tokens=split.n_tokens, n_chars=split.n_chars
        )
        rows.append(
            {"Prediction": "the language itself: no model does better", **_figures(perfect)}
        )
    st.table(
        pd.DataFrame(rows), hide_index=True, border="horizontal", alt="What guessing already buys"
    )
    note = f"Scored on the whole {part} split; counts are the train split's."
    if corpus.entropy_per_char is not None:
        note += (
            f" The language's exact entropy is {corpus.entropy_per_char:.4f} nats per character; "
            "this text, being finite, lies a little beside it."
        )
    st.caption(note)


GUESSES = {
    "uniform": "uniform: every token alike",
    "unigram": "unigram: how often each occurs",
    "bigram": "bigram: what follows the last token",
}


def _guess(name: str) -> str:
    """What a way of guessing is; those without an entry in `GUESSES` are longer n-grams."""
    if name in GUESSES:
        return GUESSES[name]
    return f"{name}: what follows the last {int(name.removesuffix('-gram')) - 1} tokens"


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
