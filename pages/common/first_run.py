"""The run that "Train your first model" starts: a small one, on a corpus that is here."""

import contextlib
import threading
from collections.abc import Sequence

import streamlit as st

from lm.architectures import ARCHITECTURES, DEFAULT
from lm.base.flops import flops_text
from lm.datasets import DATASETS, Corpus, DatasetError
from lm.datasets.config import DataConfig
from lm.runs import Run, forecast
from lm.runs.config import RunConfig
from lm.runs.plan import Plan, plan
from lm.runs.prepare import prepare
from lm.runs.recipes import RunSpec
from pages.common import caches, corpora, drafts, links

BUDGET = 1e11


def corpus_name() -> str:
    """The first corpus that suits a first run and can be read here."""
    suited = [each for each in DATASETS.values() if each.suits_a_first_run]
    return next((each.name for each in suited if each.available), drafts.default_dataset())


def describe() -> str:
    """The architecture, corpus and budget of the run, in one line."""
    title, architecture = DATASETS[corpus_name()].title, ARCHITECTURES[DEFAULT].title.lower()
    return f"A small {architecture} on {title}, for {flops_text(BUDGET)} FLOPs."


def label(every: Sequence[Run]) -> str:
    """The label of the button, with the training time here as predicted from `every` run."""
    text = "Train your first model"
    try:
        config, corpus, steps = _planned()
    except DatasetError:
        return text  # the error appears when the button is pressed
    vocab_size = corpus.tokenizer.vocab_size
    seconds = forecast.whole_seconds(config, steps, vocab_size, corpus.n_scored_tokens, every)
    return f"{text} (about {forecast.in_words(seconds)})"


def start() -> Run:
    """Make the run and put it in the queue. Raises `DatasetError`."""
    config, corpus, _ = _planned()
    run = prepare(config, caches.store(), name="My first model", corpus=corpus)
    caches.jobs().start(run)
    return run


def _planned() -> tuple[RunConfig, Corpus, Plan]:
    spec = RunSpec(data={"dataset": corpus_name()}, training={"budget": BUDGET})
    config, corpus = spec.load(corpora.load)
    return config, corpus, plan(config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)


def make_ready() -> None:
    """Fill the caches of the run's page in the background, once for the server."""
    data = DataConfig(dataset=corpus_name())
    threading.Thread(target=_fill_caches, args=(data,), daemon=True).start()


@st.cache_resource(max_entries=1, show_spinner=False, hash_funcs=corpora.BY_KEY)
def _fill_caches(data: DataConfig) -> None:
    with contextlib.suppress(DatasetError):  # the page of the run reports it
        config, corpus, steps = _planned()
        caches.jobs().compile_ahead(config, corpus.tokenizer.vocab_size, steps)
        corpora.references(data)


def offer(sentence: str) -> None:
    """Say why a page is empty, and link to the button that trains a first model."""
    st.info(f"{sentence} A first one takes well under a minute.")
    links.Link("start").show("Train your first model →")
