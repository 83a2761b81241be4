"""The run that "Train your first model" starts: a small one, on a corpus that is here."""

from __future__ import annotations

import contextlib
import threading

import streamlit as st

from lm import datasets
from lm.architectures import ARCHITECTURES, DEFAULT
from lm.base.flops import flops_text
from lm.datasets import DatasetError
from lm.datasets.config import DataConfig
from lm.runs import Run, forecast, presets, recipes
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from pages.common import caches, corpora, drafts, ladders, links

BUDGET = 1e11


def corpus_name() -> str:
    """The first corpus that suits a first run and can be read here."""
    suited = [each for each in datasets.DATASETS.values() if each.suits_a_first_run]
    return next((each.name for each in suited if each.available), drafts.default_dataset())


def describe() -> str:
    """What the button will do, in one line."""
    title = datasets.DATASETS[corpus_name()].title
    architecture = ARCHITECTURES[DEFAULT].title.lower()
    return f"A small {architecture} on {title}, for {flops_text(BUDGET)} FLOPs."


def seconds() -> float | None:
    """How long it trains on this machine, about; None where no ladder tells its steps."""
    own = [run for run in caches.store().list() if not run.shipped]
    for run in ladders.runs():
        config = run.config
        alike = (config.model.architecture, config.training.budget, config.preset)
        if alike == (DEFAULT, BUDGET, presets.DEFAULT):
            steps = plan(config, run.vocab_size, run.facts.n_train_tokens)
            return forecast.seconds(config, steps, own)
    return None


def label() -> str:
    """What the button that starts it says."""
    about = seconds()
    return "Train your first model" + (f" (about {forecast.in_words(about)})" if about else "")


def start() -> Run:
    """Make the run and put it in the queue."""
    data = DataConfig(dataset=corpus_name())
    corpus = corpora.load(data)
    config = recipes.resolve(
        architecture=DEFAULT,
        data=data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=BUDGET,
    )
    run = prepare(config, caches.store(), name="My first model", corpus=corpus)
    caches.jobs().start(run)
    return run


def make_ready() -> None:
    """Load in the background, once for the server, what the page of this run will need."""
    data = DataConfig(dataset=corpus_name())
    threading.Thread(target=_load, args=(data.dataset, corpora.stamp(data)), daemon=True).start()


@st.cache_resource(max_entries=1, show_spinner=False)
def _load(dataset: str, stamp: str) -> None:
    from pages.common.train import curve  # noqa: F401  Altair, which takes half a second

    with contextlib.suppress(DatasetError):  # whoever asks for it is told
        corpora.references(DataConfig(dataset=dataset))


def offer(sentence: str) -> None:
    """Say why a page is empty, and offer the one thing to do about it."""
    st.info(f"{sentence} A first one takes well under a minute.")
    links.to_start().show("Train your first model →")
