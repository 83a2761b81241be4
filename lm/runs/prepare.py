"""The folder of a run that can be executed, now or later, here or elsewhere. No torch."""

from __future__ import annotations

import platform
from importlib.metadata import version

from lm.architectures import n_params
from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.datasets import Corpus, load
from lm.datasets.tokenizers import UnknownTokenError
from lm.runs import engines
from lm.runs.config import RunConfig
from lm.runs.errors import RunError
from lm.runs.plan import plan
from lm.runs.run import Run
from lm.runs.scale import scale_at
from lm.runs.status import Facts
from lm.runs.store import RunStore
from lm.runs.table import text_title


def prepare(
    config: RunConfig,
    store: RunStore,
    name: str | None = None,
    corpus: Corpus | None = None,
    run_id: str | None = None,
    most_threads: int | None = None,
    parent_run_id: str | None = None,
) -> Run:
    """Make the folder of a run that can be executed, now or later, here or elsewhere.

    `corpus` saves loading `config.data` again; a `run_id` that is not given is drawn.
    `most_threads` is how many a run may have where it will be trained (default: this machine's
    processors); `parent_run_id` is the run that this one is made from. Raises `ConfigError`,
    `DatasetError` or `BudgetError` for what cannot be trained, and then leaves nothing behind.
    """
    check_threads(config, most_threads or n_cores())
    corpus = corpus or load(config.data)
    check_length(config, corpus)
    vocab_size = corpus.tokenizer.vocab_size
    steps = plan(config, vocab_size, corpus.train.n_tokens)
    original = corpus.original
    chosen = engines.choose(config, vocab_size, steps)
    scale = scale_at(config, vocab_size, steps, steps.n_steps)
    facts = Facts(
        vocab_size=vocab_size,
        n_params=n_params(config.model, vocab_size),
        n_steps=steps.n_steps,
        flops_per_step=steps.step,
        flops=steps.flops,
        operations=scale.operations,
        bytes=scale.bytes,
        tokens=steps.tokens,
        n_train_tokens=corpus.train.n_tokens,
        sha256=corpus.sha256,
        threads=chosen.threads,
        engine=chosen.engine,
        torch=version("torch"),
        python=platform.python_version(),
        original=None if original is None else original.to_dict(),
    )
    return store.create(
        config,
        tokenizer=corpus.tokenizer,
        facts=facts,
        name=name,
        parent_run_id=parent_run_id,
        run_id=run_id,
    )


def corpus_of(run: Run, corpus: Corpus | None = None, instead: str | None = None) -> Corpus:
    """The corpus that a run was made for.

    `corpus` saves loading it again; `instead` is a text that takes the place of its validation.

    Raises `DatasetError`, or `RunError` if its text is no longer the same.
    """
    changed = RunError(
        f"{text_title(run.config.data)} has changed since {run.name} was made from it: its sha256 "
        f"no longer begins with {run.facts.sha256[:12]}. Put the old text back, or train a new run."
    )
    try:
        corpus = corpus or load(run.config.data, run.tokenizer(), instead=instead)
    except UnknownTokenError:
        raise changed from None
    if corpus.sha256 != run.facts.sha256:
        raise changed
    return corpus


def check_threads(config: RunConfig, most: int) -> None:
    """Raises `ConfigError` where a run asks for more threads than there are processors.

    They would wait for one another: 1,000 on two cores took 30 times as long as two.
    """
    threads = config.training.threads
    if threads is not None and threads > most:
        raise ConfigError(
            f"training.threads must not exceed {most:,}, the processors that there are where the "
            f"run will be trained. Received: {threads:,}."
        )


def check_length(config: RunConfig, corpus: Corpus) -> None:
    """Raises `ConfigError` where a split is too short to train on or to score."""
    lookback, n_tokens = config.model.lookback, corpus.train.n_tokens
    needed = lookback + config.sequence_length + 1
    if n_tokens < needed:
        settings = f"context_length={config.model.context_length}"
        if config.sequence_length != config.model.context_length:
            settings += f", sequence_length={config.sequence_length}"
        raise ConfigError(
            f"The train split must hold at least {needed:,} tokens for {settings}. "
            f"Received: {n_tokens:,}. Use a longer text, or lower {_shorter(lookback, n_tokens)}."
        )
    for name, split in corpus.splits.items():
        if split.n_tokens < 2:
            raise ConfigError(
                f"The {name} split must hold at least 2 tokens. Received: {split.n_tokens}. "
                "Use a longer text."
            )


def _shorter(lookback: int, n_tokens: int) -> str:
    """Settings with which a row fits into a split of `n_tokens`."""
    longest = n_tokens - 1 - lookback
    if longest >= 1:
        return f"training.sequence_length to {longest:,}"
    half = max(1, n_tokens // 2)
    return f"model.context_length to {half:,} and training.sequence_length to {half:,}"
