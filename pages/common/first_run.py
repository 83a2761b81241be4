"""The run that "Train your first model" starts: a small one, on a corpus that is here."""

import streamlit as st

from lm import datasets
from lm.architectures import ARCHITECTURES, DEFAULT
from lm.base.flops import flops_text
from lm.datasets.config import DataConfig
from lm.runs import Run, recipes
from lm.runs.prepare import prepare
from pages.common import caches, corpora, drafts, links

BUDGET = 1e11
ABOUT = "about 20 s"


def corpus_name() -> str:
    """The first corpus that suits a first run and can be read here."""
    suited = [each for each in datasets.DATASETS.values() if each.suits_a_first_run]
    return next((each.name for each in suited if each.available), drafts.default_dataset())


def describe() -> str:
    """What the button will do, in one line."""
    title = datasets.DATASETS[corpus_name()].title
    architecture = ARCHITECTURES[DEFAULT].title.lower()
    return f"A small {architecture} on {title}, for {flops_text(BUDGET)} FLOPs."


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


def offer(sentence: str) -> None:
    """Say why a page is empty, and offer the one thing to do about it."""
    st.info(f"{sentence} A first one takes about 20 seconds.")
    links.to_start().show("Train your first model →")
