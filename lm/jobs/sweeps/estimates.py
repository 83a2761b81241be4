"""What a sweep will take before it starts: runs, FLOPs, time and room on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from lm.architectures import n_params
from lm.base.machine import n_cores
from lm.datasets import Corpus, load
from lm.jobs.sweeps.definition import Weights
from lm.jobs.sweeps.expansion import Loader, find, remembered, stable_id
from lm.jobs.sweeps.keeping import setting_of
from lm.runs import Run, RunError, RunStore, forecast
from lm.runs.config import RunConfig
from lm.runs.plan import plan


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run of a sweep before it starts, and what is left of it."""

    run_id: str
    config: RunConfig
    state: str  # of the run on disk, or "new"
    n_params: int
    n_steps: int
    flops: int  # of the whole run
    seconds: float  # of the whole run
    seconds_spent: float  # of training, so far
    share_left: float  # 0 if it is complete or has failed
    bytes_left: int

    @property
    def seconds_left(self) -> float:
        """What is left of `seconds`."""
        return self.share_left * self.seconds


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a sweep will take, beyond what is there already."""

    runs: list[PlannedRun]
    n_at_once: int
    measured: bool  # times rest on runs of this machine, not on an assumption

    @property
    def n_left(self) -> int:
        """Runs to train or to finish."""
        return sum(run.share_left > 0 for run in self.runs)

    @property
    def flops_left(self) -> float:
        """Training FLOPs to spend."""
        return sum(run.share_left * run.flops for run in self.runs)

    @property
    def flops_spent(self) -> float:
        """Training FLOPs of what is done."""
        return sum((1 - run.share_left) * run.flops for run in self.runs)

    @property
    def seconds_spent(self) -> float:
        """Seconds of training of what is done, summed over the runs."""
        return sum(run.seconds_spent for run in self.runs)

    @property
    def bytes_left(self) -> int:
        """Bytes to be written for good."""
        return sum(run.bytes_left for run in self.runs)

    @property
    def seconds_left(self) -> float:
        """From the start to the end, `n_at_once` runs at a time."""
        each = [run.seconds_left for run in self.runs]
        return max(sum(each) / self.n_at_once, max(each, default=0.0))


def estimate(
    configs: Sequence[RunConfig],
    store: RunStore,
    n_at_once: int | None = None,
    weights: Weights = "every",
    load: Loader = load,
) -> Estimate:
    """What training `configs` will take. Times are this machine's, `n_at_once` runs at a time
    (default: as many as it has processors). `weights`: whose are kept."""
    load = remembered(load)
    history = store.list()
    settings: set[RunConfig] = set()
    runs: list[PlannedRun] = []
    for config in dict.fromkeys(configs):
        setting = setting_of(config)
        keeps = weights == "every" or (weights == "best" and setting not in settings)
        runs.append(_planned(config, store, load(config.data), history, keeps=keeps))
        if runs[-1].share_left:
            settings.add(setting)
    return Estimate(
        runs=runs,
        n_at_once=n_at_once or n_cores(),
        measured=forecast.measured(history),
    )


def _planned(
    config: RunConfig, store: RunStore, corpus: Corpus, history: Sequence[Run], *, keeps: bool
) -> PlannedRun:
    """A run as it is, and what is left of it; `keeps` its weights, or not."""
    vocab_size = corpus.tokenizer.vocab_size
    steps = plan(config, vocab_size, corpus.train.n_tokens)
    state, done, there, spent = "damaged", 1.0, True, 0.0
    with contextlib.suppress(RunError):
        run = find(store, config, corpus.sha256)
        state = run.state if run else "new"
        spent = run.status.seconds if run else 0.0
        over = state in ("complete", "failed")
        done = 1.0 if over else share_done(run) if run else 0.0
        there = bool(run and run.training_state_path.exists())
    return PlannedRun(
        run_id=stable_id(config, corpus.sha256),
        config=config,
        state=state,
        n_params=n_params(config.model, vocab_size),
        n_steps=steps.n_steps,
        flops=steps.flops.total,
        seconds=forecast.whole_seconds(config, steps, vocab_size, corpus.n_scored_tokens, history),
        seconds_spent=spent,
        share_left=1 - done,
        bytes_left=0
        if there or done == 1
        else forecast.n_bytes(config, steps, vocab_size, weights=keeps),
    )


def share_done(run: Run) -> float:
    """Of its steps; a run whose splits are still to be scored has a little left."""
    return min(run.status.step / run.n_steps, 0.99)
