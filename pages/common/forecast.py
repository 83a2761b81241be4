"""How long a run will take here: a rough model of a processor, corrected by the runs that ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from lm.config import ModelConfig, RunConfig
from lm.flops import Plan, modules
from lm.runs import Run

# On two cores of a server: a step costs its matrix products at this rate, and besides about as
# much time for every part of the model, however small.
FLOPS_PER_SECOND = 6e10
SECONDS_PER_MODULE = 1.2e-4
SECONDS_PER_STEP = 4e-4
NEIGHBOURS = 5
LEAST_SECONDS = 0.5  # of training: shorter runs tell of their start alone


def seconds(config: RunConfig, steps: Plan, history: Sequence[Run]) -> float:
    """Predicted training time of a plan. `history`: runs of this machine, any state."""
    ratios = sorted(
        (
            abs(math.log(run.facts["flops_per_step"]["total"] / steps.step.total))
            + (run.config.model.architecture != config.model.architecture),
            run.status.seconds / (run.status.step * _modelled(run.config.model, _per_step(run))),
        )
        for run in history
        if not run.shipped and run.status.step and run.status.seconds >= LEAST_SECONDS
    )
    correction = median([ratio for _, ratio in ratios[:NEIGHBOURS]]) if ratios else 1.0
    return steps.n_steps * _modelled(config.model, steps.step.total) * correction


def _per_step(run: Run) -> float:
    return run.facts["flops_per_step"]["total"]


def _modelled(model: ModelConfig, flops_per_step: float) -> float:
    parts = len(modules(model, vocab_size=2))
    return SECONDS_PER_STEP + parts * SECONDS_PER_MODULE + flops_per_step / FLOPS_PER_SECOND


def in_words(seconds: float) -> str:
    """A duration, no more exact than it deserves: "20 s", "3 min", "1.5 h"."""
    if seconds < 1:
        return "< 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
