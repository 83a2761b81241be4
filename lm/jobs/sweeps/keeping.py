"""Whose weights a sweep keeps: most runs of a large one are wanted for what they came to."""

from __future__ import annotations

import math

from lm.jobs.sweeps.definition import Weights
from lm.runs import Run, RunStore
from lm.runs.config import RunConfig


def setting_of(config: RunConfig) -> RunConfig:
    """What the runs that differ by their seed alone have in common."""
    return config.replace(training=config.training.replace(seed=0))


class Kept:
    """Lets weights go as runs complete, of the runs that this sweep has trained itself."""

    def __init__(self, weights: Weights, store: RunStore) -> None:
        self.weights, self.store = weights, store
        self._older: set[str] = set()  # ids of runs that were complete before
        self._best: dict[RunConfig, Run] = {}  # of each setting

    def there(self, run: Run) -> None:
        """Take note of a run before the sweep begins."""
        if run.state == "complete":
            self._older.add(run.run_id)

    def completed(self, run: Run) -> None:
        """Decide about a run that is complete, and about the best of its setting until now."""
        if self.weights == "every":
            return
        if self.weights == "best":
            setting = setting_of(run.config)
            best = self._best.get(setting)
            if best is None:
                self._best[setting] = run
                return
            if _loss(run) < _loss(best):
                self._best[setting], run = run, best
        if run.run_id not in self._older:
            self.store.forget_weights(run)


def _loss(run: Run) -> float:
    return run.status.valid.loss if run.status.valid else math.inf
