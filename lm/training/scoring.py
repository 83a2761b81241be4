"""Scoring a run's weights again: on a split of its text, or on any other text."""

from __future__ import annotations

from lm.base.records import Evaluation
from lm.datasets import DatasetError, Split
from lm.datasets.counting import hybrid as hybrids
from lm.runs import Run, RunError
from lm.runs.prepare import corpus_of
from lm.training.checkpoint import load_model
from lm.training.device import DeviceError, resolve_device, threads
from lm.training.evaluation import evaluate, token_nats


def score(run: Run, part: str, *, hybrid: bool = False, blocks: bool = False) -> Evaluation:
    """The score of a run's weights on a split of its own text.

    Args:
        run: It has weights, and its text is here.
        part: "valid" or "test".
        hybrid: Mixed with n-grams of the train split, by weights chosen on validation.
        blocks: See `evaluate`.
    """
    model, corpus = load_model(run, _device(run)), corpus_of(run)
    if part not in corpus.splits:
        raise RunError(f"The {run.config.data.split} split has no {part} part.")
    with threads(run.facts.threads):
        if not hybrid:
            return evaluate(model, corpus.splits[part], blocks=blocks)
        nats = {
            name: token_nats(model, corpus.splits[name].token_ids, blocks=blocks)
            for name in dict.fromkeys(["valid", part])
        }
    return hybrids.evaluate(corpus, nats)[part]


def score_text(run: Run, text: str, *, blocks: bool = False) -> Evaluation:
    """The score of a run's weights on all of a text, read by the run's own tokenizer.

    Raises `UnknownTokenError` for characters or words that the tokenizer cannot express. A
    tokenizer that leaves something out of a text, as words leave out how unknown ones are spelt,
    needs the text of the run to price it.
    """
    model, tokenizer = load_model(run, _device(run)), run.tokenizer()
    token_ids = tokenizer.encode(text)
    if len(token_ids) < 2:
        raise DatasetError("A text must hold 2 tokens or more to be scored.")
    split = Split(token_ids, len(text))
    if tokenizer.separator:
        split = corpus_of(run, instead=text).valid
    with threads(run.facts.threads):
        return evaluate(model, split, blocks=blocks)


def _device(run: Run) -> str:
    """Where to score a run: where it was trained, if this machine has such a device."""
    try:
        return str(resolve_device(run.status.device or "cpu"))
    except DeviceError:  # trained elsewhere
        return "cpu"
