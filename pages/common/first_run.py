"""The run behind "Train your first model": small, on a corpus that is there."""

from lm import datasets
from lm.datasets.config import DataConfig
from lm.runs import Run, recipes
from lm.runs.prepare import prepare
from pages.common import caches, corpora, words

BUDGET = 1e11
ABOUT = "about 20 s"
CORPORA = ("tiny_shakespeare", "python_reference", "known_entropy")  # the last needs nothing


def corpus_name() -> str:
    """The first corpus of `CORPORA` that can be read here."""
    return next(name for name in CORPORA if datasets.DATASETS[name].available)


def describe() -> str:
    """What the button will do, in one line."""
    title = datasets.DATASETS[corpus_name()].title
    return f"A small transformer on {title}, for {words.flops(BUDGET)} FLOPs."


def start() -> Run:
    """Make the run and put it in the queue."""
    data = DataConfig(dataset=corpus_name())
    corpus = corpora.load(data)
    config = recipes.resolve(
        architecture="transformer",
        data=data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=BUDGET,
    )
    run = prepare(config, caches.store(), name="My first model", corpus=corpus)
    caches.jobs().start(run)
    return run
