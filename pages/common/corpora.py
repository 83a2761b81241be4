"""Corpora as pages need them: loaded once, with the losses that guessing reaches."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

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
        if (bool(uploads()) if dataset.needs_path else dataset.available)
    ]


def uploads() -> dict[str, Path]:
    """The user's own texts, newest first: file name -> path."""
    if not UPLOADS.is_dir():
        return {}
    files = sorted(UPLOADS.glob("*.txt"), key=lambda path: -path.stat().st_mtime_ns)
    return {path.name: path for path in files}


def delete(name: str) -> None:
    """Remove one of `uploads` from this machine."""
    if (path := uploads().get(name)) is not None:
        path.unlink(missing_ok=True)


def title(data: DataConfig) -> str:
    """A corpus's name for people."""
    if data.text_path is not None:
        return text_title(Path(data.text_path).name)
    return DATASETS[data.dataset].title


def text_title(file: str) -> str:
    """What an uploaded file is called: its name without the hash, unless others share that."""
    short = _HASH.sub("", file)
    alike = [other for other in uploads() if _HASH.sub("", other) == short]
    return file if len(alike) > 1 else short


def load(data: DataConfig) -> Corpus:
    """The corpus as tokens. Raises `DatasetError` or `UnknownTokenError`."""
    return _load(data.model_dump_json(), stamp(data))


def texts(data: DataConfig) -> Splits:
    """The text of each split. Raises `DatasetError`."""
    return _texts(data.model_dump_json(), stamp(data))


def baselines(data: DataConfig) -> dict[str, dict[str, Evaluation]]:
    """The scores of n-grams: name ("uniform", "unigram", ...) -> "valid" or "test" -> score."""
    return _baselines(data.model_dump_json(), stamp(data))


@dataclass(frozen=True)
class Frequencies:
    """How often each token occurs in the train split, most frequent first."""

    token_ids: np.ndarray  # (V,)
    counts: np.ndarray  # (V,)


def frequencies(data: DataConfig) -> Frequencies:
    """How often each token occurs in the train split."""
    return _frequencies(data.model_dump_json(), stamp(data))


def references(data: DataConfig) -> dict[str, float]:
    """Name -> validation loss, nats per token, of each n-gram.

    For an invented language "entropy" is that of the language itself, which no model gets below.
    """
    losses = {name: parts["valid"].loss for name, parts in baselines(data).items()}
    ideal = load(data).valid.ideal_loss
    return losses if ideal is None else {**losses, "entropy": ideal}


def stamp(data: DataConfig) -> str:
    """Changes whenever the files behind a corpus do."""
    paths = DATASETS[data.dataset].files(data)
    return json.dumps([(str(p), p.stat().st_mtime_ns) for p in paths if p.exists()])


def _config(data_json: str) -> DataConfig:
    return DataConfig(**json.loads(data_json))


@st.cache_resource(max_entries=6, show_spinner="Reading the corpus …")
def _load(data_json: str, stamp: str) -> Corpus:
    return datasets.load(_config(data_json))


@st.cache_resource(max_entries=4, show_spinner="Reading the corpus …")
def _texts(data_json: str, stamp: str) -> Splits:
    return datasets.load_text(_config(data_json))


@st.cache_data(max_entries=32, show_spinner="Counting n-grams …")
def _baselines(data_json: str, stamp: str) -> dict[str, dict[str, Evaluation]]:
    return ngram.baselines(_load(data_json, stamp))


@st.cache_data(max_entries=8, show_spinner="Counting tokens …")
def _frequencies(data_json: str, stamp: str) -> Frequencies:
    corpus = _load(data_json, stamp)
    counts = np.bincount(corpus.train.token_ids, minlength=corpus.tokenizer.vocab_size)
    order = np.argsort(-counts, kind="stable")
    return Frequencies(order, counts[order])
