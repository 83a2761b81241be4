"""Data: what there is to learn from, as text, as tokens, and what guessing already buys."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
import streamlit as st

from lm import charts, datasets
from lm.base.records import Evaluation
from lm.base.settings import ConfigError, settings
from lm.datasets import DATASETS, Corpus, Dataset, DatasetError, Download
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import TOKENIZERS, UnknownTokenError
from pages.common import corpora, drafts, forms, shell, words

EXCERPT = 600  # characters
SHOWN_TOKENS = 400
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


choices = forms.Choices("data")


@dataclass(frozen=True)
class Choice:
    """What the page shows."""

    info: Dataset
    data: DataConfig | None = None  # None: not here yet


# --- form ---------------------------------------------------------------------------------------


def choose() -> Choice:
    """Which corpus and, where it is here, how it is cut into splits and tokens."""
    choices.read_url({"dataset": lambda text: text if text in DATASETS else None})
    choices.write_url()
    name = choices.values.get("dataset", drafts.default_dataset())
    forms.put("corpus", name)
    st.segmented_control(
        "Corpus",
        list(DATASETS),
        required=True,
        format_func=lambda name: DATASETS[name].title,
        key="corpus",
        on_change=lambda: choices.set("dataset", st.session_state["corpus"]),
    )
    info = DATASETS[name]
    st.markdown(
        f"{words.plain(info.description)} Licence: {words.plain(info.licence)}. Source: "
        f"{info.source if info.source.startswith('http') else words.plain(info.source)}."
    )
    if info.needs_path:
        upload()
        if not corpora.uploads():
            return Choice(info)
    elif not info.available:
        fetch(info, info.download)
        return Choice(info)
    return Choice(info, configure(info))


def configure(info: Dataset) -> DataConfig | None:
    """Split, tokenizer and, for an invented corpus, its size."""
    values: dict = {"dataset": info.name}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if info.needs_path:
            files = corpora.uploads()
            file = st.selectbox("Text", list(files), key="text", width=320)
            values["text_path"] = str(files[file])
        values["tokenizer"] = st.segmented_control(
            "A token is one of the text's",
            list(TOKENIZERS),
            default=info.default_tokenizer,
            required=True,
            format_func=lambda name: TOKENIZERS[name].title,
            key=f"tokenizer-{info.name}",
            persist_state="session",
        )
        if TOKENIZERS[values["tokenizer"]].sized:
            values["bpe_vocab_size"] = _number("bpe_vocab_size")
        if len(info.splits) > 1:
            values["split"] = st.segmented_control(
                "Split",
                info.splits,
                default=info.splits[0],
                required=True,
                key="split",
                persist_state="session",
                help="study: train, valid and test as the coursework cut them. nanogpt: train and "
                "validation as nanoGPT does, without a test split.",
            )
        for name in ("n_chars", "seed"):
            if name in info.settings:
                values[name] = _number(name)
    try:
        return DataConfig(**values)
    except ConfigError as error:
        st.error(words.plain(str(error)))
        return None


def _number(name: str) -> int:
    known = settings(DataConfig)[name]
    return st.number_input(
        name,
        int(known.minimum or 0),
        int(known.maximum or 0),
        known.default,
        int(known.step or 1),
        key=f"data-{name}",
        help=known.help,
        persist_state="session",
        width=180,
    )


# --- act ----------------------------------------------------------------------------------------


def upload() -> None:
    """Take a text of the user's own; what cannot be read is said in a sentence."""
    file = st.file_uploader(
        "A text file, up to 100 MB; it stays on this machine",
        key="upload",
    )
    if file is None:
        return
    try:
        path = datasets.save_text(file.name, file.getvalue())
    except (DatasetError, OSError) as error:
        st.error(words.plain(str(error)))
        return
    if st.session_state.get("uploaded") != path.name:
        st.session_state["uploaded"] = st.session_state["text"] = path.name
    st.success(f"{words.plain(path.name)} is here, split 80/10/10 by characters.")


def fetch(info: Dataset, source: Download | None) -> None:
    """Download a corpus, with its licence named and consent where that is needed."""
    st.info(f"{info.title} is not on this machine yet.")
    if source is None:
        st.caption(f"Put its files in {words.plain(str(datasets.datasets_dir() / info.name))}.")
        return
    consent = True
    if source.consent:
        st.markdown(f"{words.plain(source.consent)}.")
        consent = st.checkbox("I may use it under these terms.", key=f"consent-{info.name}")
    if not st.button(
        f"Download {info.title} ({source.n_bytes / 1e6:.1f} MB)",
        key="download",
        type="primary",
        disabled=not consent,
        help=None if consent else "Agree to the terms first.",
    ):
        st.caption(
            f"It comes from {source.files[0].url.split('/')[2]} and is checked against a known "
            f"sha256. Or put the file in {words.plain(str(datasets.datasets_dir() / info.name))}."
        )
        return
    bar = st.progress(0.0, text="Connecting …")
    st.button("Cancel", key="cancel")  # any click ends this run of the page, and the download

    def progress(done: int, total: int) -> None:
        bar.progress(min(1.0, done / total), text=f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    try:
        datasets.download(info.name, consent=consent, progress=progress)
    except (DatasetError, OSError) as error:
        bar.empty()
        st.error(words.plain(str(error)))
        return
    st.rerun()


# --- show ---------------------------------------------------------------------------------------


def show(data: DataConfig) -> None:
    """The text, its counts, what guessing buys, its tokens."""
    try:
        text, corpus = corpora.texts(data).train, corpora.load(data)
    except (DatasetError, ValueError) as error:
        st.error(words.plain(str(error)))
        return
    if corpus.original is not None:
        st.info(words.plain(corpus.original.note))
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Excerpt", anchor=False)
        st.code(text[:EXCERPT], language=None, wrap_lines=True)
    with right:
        st.header("Splits", anchor=False)
        splits(corpus)
        if st.button(f"Train on {words.plain(corpora.title(data))}", key="train", type="primary"):
            known = data.model_dump(exclude_defaults=True, exclude={"text_path", "seed"})
            known = {name: str(value) for name, value in known.items()}
            if data.text_path is not None:
                known["text"] = Path(data.text_path).name
            if data.seed:
                known["data_seed"] = str(data.seed)
            shell.go("train", **{"dataset": data.dataset, **known})
    st.header("What guessing already buys", anchor=False)
    guessing(data, corpus)
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Type to tokenise", anchor=False)
        tokenise(corpus, first_words(text))
    with right:
        st.header("How often each token occurs", anchor=False)
        frequencies(data, corpus)


def splits(corpus: Corpus) -> None:
    """Characters and tokens of each split."""
    whole = sum(split.n_chars for split in corpus.splits.values())
    rows = [
        {
            "Split": name,
            "Characters": words.count(split.n_chars),
            "Tokens": words.count(split.n_tokens),
            "Share": f"{split.n_chars / whole:.1%}",
        }
        for name, split in corpus.splits.items()
    ]
    st.metric("Vocabulary", f"{words.count(corpus.tokenizer.vocab_size)} tokens")
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt="The corpus's splits")
    st.caption(f"sha256 of the text: {corpus.sha256[:16]}…")


def guessing(data: DataConfig, corpus: Corpus) -> None:
    """Scores of counting, and of a perfect model where one is known."""
    known = corpora.baselines(data)
    part = "test" if corpus.test is not None else "valid"
    rows = [
        {"Prediction": _guess(name), **_figures(scores[part])} for name, scores in known.items()
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
    """A way of guessing in words; all but the first few are Kneser–Ney n-grams."""
    if name in GUESSES:
        return GUESSES[name]
    return f"{name}: what follows the last {int(name.removesuffix('-gram')) - 1} tokens"


def _figures(result: Evaluation) -> dict[str, str]:
    return {
        "Loss (nats per token)": f"{result.loss:.3f}",
        "Perplexity": f"{result.perplexity:,.1f}",
        "Bits per character": f"{result.bits_per_char:.3f}",
    }


def first_words(text: str, most: int = 48) -> str:
    """How a text begins: whole words of its first lines."""
    return text[:most].rsplit(maxsplit=1)[0].strip() if len(text) > most else text


def tokenise(corpus: Corpus, example: str) -> None:
    """What is typed, as tokens, to the letter."""
    text = st.text_area(
        "Text",
        example,
        key=f"typed-{corpus.data.dataset}",
        max_chars=2_000,
        persist_state="session",
    )
    try:
        token_ids = corpus.tokenizer.encode(text)
    except UnknownTokenError as error:
        st.warning(words.plain(str(error)))
        return
    chips = "".join(
        f"<span><b>{escape(visible(corpus.tokenizer.token_text(int(token_id))))}</b>"
        f"<small>{int(token_id)}</small></span>"
        for token_id in token_ids[:SHOWN_TOKENS]
    )
    more = len(token_ids) - SHOWN_TOKENS
    with st.container(key="chips"):
        st.html(f"{CSS}<div class='chips'>{chips}</div>")
    st.caption(
        f"{len(token_ids):,} tokens for {len(text):,} characters; under each its number."
        + (f" {more:,} more are not shown." if more > 0 else "")
    )


def visible(token: str) -> str:
    """A token with its white space to be seen."""
    return token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")


def frequencies(data: DataConfig, corpus: Corpus) -> None:
    """The commonest tokens, and all of them by rank."""
    known = corpora.frequencies(data)
    total = int(known.counts.sum())
    top = pd.DataFrame(
        {
            "token": [visible(corpus.tokenizer.token_text(int(i))) for i in known.token_ids[:BARS]],
            "count": known.counts[:BARS],
        }
    )
    top = top[top["count"] > 0].assign(share=top["count"] / total)
    first = ", ".join(f"{row.token} {row.share:.1%}" for row in top.head(5).itertuples())
    st.altair_chart(charts.frequency_chart(top), alt=f"The commonest tokens: {first}.")
    if corpus.tokenizer.vocab_size > 4 * BARS:
        counts = known.counts[known.counts > 0]
        ranks = charts.log_spaced(len(counts))
        st.altair_chart(
            charts.rank_chart(pd.DataFrame({"rank": ranks, "count": counts[ranks - 1]})),
            alt=f"Count against rank for {len(counts):,} tokens, both logarithmic.",
        )


shell.page(
    "Data",
    "What there is to learn from: as text, as tokens, and what guessing already buys before any "
    "model is trained.",
)
choice = choose()
if choice.data is not None:
    show(choice.data)
