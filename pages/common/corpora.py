"""Corpora as pages need them: loaded once, with the losses that guessing reaches."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from lm import datasets
from lm.base.files import PROJECT
from lm.base.records import Evaluation
from lm.datasets import DATASETS, Corpus, Splits
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram

UPLOADS = PROJECT / "datasets" / "uploads"
_HASH = re.compile(r"-[0-9a-f]{8}(?=\.txt$)")  # that `datasets.save_text` puts into a name


def available() -> list[str]:
    """Names of the corpora that can be read now, the user's own text if there is an upload."""
    return [
        name
        for name, dataset in DATASETS.items()
        if (uploads() if dataset.needs_path else dataset.available)
    ]


def uploads() -> dict[str, Path]:
    """The user's own texts, newest first: file name -> path."""
    files = sorted(UPLOADS.glob("*.txt"), key=lambda path: -path.stat().st_mtime_ns)
    return {path.name: path for path in files}


def title(data: DataConfig) -> str:
    """A corpus's name for people."""
    if data.text_path is not None:
        return text_title(Path(data.text_path).name)
    return DATASETS[data.dataset].title


def text_title(file: str) -> str:
    """The name of an uploaded file without its hash, unless others share that."""
    short = _HASH.sub("", file)
    alike = [other for other in uploads() if _HASH.sub("", other) == short]
    return file if len(alike) > 1 else short


def key(data: DataConfig) -> str:
    """Names a corpus in a cache: changes with its settings, and with the files behind it."""
    paths = DATASETS[data.dataset].files(data)
    files = [(str(path), path.stat().st_mtime_ns) for path in paths if path.exists()]
    return json.dumps([data.model_dump_json(), files])


BY_KEY: dict[str | type, Any] = {DataConfig: key}  # `hash_funcs` of functions that are cached


@st.cache_resource(max_entries=6, show_spinner="Reading the corpus …", hash_funcs=BY_KEY)
def load(data: DataConfig) -> Corpus:
    """The corpus as tokens. Raises `DatasetError` or `UnknownTokenError`."""
    return datasets.load(data)


@st.cache_resource(max_entries=4, show_spinner="Reading the corpus …", hash_funcs=BY_KEY)
def texts(data: DataConfig) -> Splits:
    """The text of each split. Raises `DatasetError`."""
    return datasets.load_text(data)


@st.cache_data(max_entries=32, show_spinner="Counting n-grams …", hash_funcs=BY_KEY)
def baselines(data: DataConfig) -> dict[str, dict[str, Evaluation]]:
    """The scores of n-grams: name ("uniform", "unigram", ...) -> "valid" or "test" -> score."""
    return ngram.baselines(load(data))


def references(data: DataConfig) -> dict[str, float]:
    """Name -> validation loss, nats per token, of each n-gram.

    For an invented language "entropy" is that of the language itself, which no model gets below.
    """
    losses = {name: parts["valid"].loss for name, parts in baselines(data).items()}
    ideal = load(data).valid.ideal_loss
    return losses if ideal is None else {**losses, "entropy": ideal}


@st.cache_data(max_entries=8, show_spinner="Counting tokens …", hash_funcs=BY_KEY)
def frequencies(data: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """(V,) token ids and (V,) their counts in the train split, most frequent first."""
    corpus = load(data)
    counts = np.bincount(corpus.train.token_ids, minlength=corpus.tokenizer.vocab_size)
    order = np.argsort(-counts, kind="stable")
    return order, counts[order]
