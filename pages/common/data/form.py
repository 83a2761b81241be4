"""The form of the Data page: which corpus, and how it is cut into splits and tokens."""

from functools import partial

import streamlit as st

from lm.base.settings import ConfigError, settings
from lm.datasets import DATASETS, Dataset
from lm.datasets.config import DataConfig
from lm.datasets.encodings import ENCODINGS
from lm.datasets.tokenizers import TOKENIZERS
from pages.common import corpora, drafts, forms, wording
from pages.common.choosing import switch
from pages.common.data import arrival

CHOICES = forms.Choices("data")


def show() -> DataConfig | None:
    """The corpus that the user chose, as a config; None while it is not on this machine."""
    CHOICES.read_url({"dataset": lambda text: text if text in DATASETS else None})
    CHOICES.write_url()
    name = CHOICES.values.get("dataset", drafts.default_dataset())
    choose = partial(CHOICES.set, "dataset")
    st.segmented_control(
        "Corpus",
        list(DATASETS),
        required=True,
        format_func=lambda name: DATASETS[name].title,
        **forms.bound("corpus", name, choose, shown_by="default"),
    )
    info = DATASETS[name]
    source = info.source if info.source.startswith("http") else wording.plain(info.source)
    about = f"{wording.plain(info.description)} Licence: {wording.plain(info.licence)}."
    st.markdown(f"{about} Source: {source}.")
    if info.needs_path:
        arrival.upload()
        if not corpora.uploads():
            return None
    elif not info.available:
        arrival.fetch(info, info.download)
        return None
    return _configure(info)


def _configure(info: Dataset) -> DataConfig | None:
    """Controls for split, tokenizer and, for an invented corpus, its size and seed."""
    values: dict = {"dataset": info.name}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if info.needs_path:
            files = corpora.uploads()
            file = st.selectbox(
                "Text",
                list(files),
                format_func=corpora.text_title,
                key=arrival.renewed("text"),
                width=320,
            )
            values["text_path"] = str(files[file])
            values["encoding"] = st.selectbox(
                "Encoding",
                ENCODINGS,
                key=f"encoding-{file}",
                persist_state="session",
                help=settings(DataConfig)["encoding"].help,
                width=160,
            )
            arrival.deletion(file)
        values["tokenizer"] = switch(
            "A token is one of the text's",
            TOKENIZERS,
            key=f"tokenizer-{info.name}",
            default=info.default_tokenizer,
            format_func=lambda name: TOKENIZERS[name].title,
        )
        if TOKENIZERS[values["tokenizer"]].sized:
            values |= _number("bpe_vocab_size")
        if len(info.splits) > 1:
            key = f"split-{info.name}"
            values["split"] = switch("Split", info.splits, key=key, help=info.split_help)
        for name in ("n_chars", "seed"):
            if settings(DataConfig)[name].applies(values):
                values |= _number(name)
    try:
        return DataConfig(**values)
    except ConfigError as error:
        st.error(wording.plain(str(error)))
        return None


def _number(name: str) -> dict[str, int]:
    setting = settings(DataConfig)[name]
    low, high, step = int(setting.minimum or 0), int(setting.maximum or 0), int(setting.step or 1)
    how: dict = {"help": setting.help, "persist_state": "session", "width": 180}
    number = st.number_input(name, low, high, setting.default, step, key=f"data-{name}", **how)
    return {name: number}
