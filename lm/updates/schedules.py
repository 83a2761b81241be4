"""Learning-rate schedules: which share of its peak the rate has at each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lm.base.registry import Registry

if TYPE_CHECKING:
    from lm.updates.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate goes on after warm-up.

    `share(progress, training)` is the learning rate as a share of its peak. Progress is 0 where
    the decay begins, and reaches 1 one step after the last, so that the last step still learns.
    """

    name: str
    share: Callable[[float, TrainingConfig], float]
    decays: bool = True  # to `final_lr_fraction`
    late: bool = False  # only over the last `decay_fraction` of the steps


def _cosine(progress: float, training: TrainingConfig) -> float:
    final = training.final_lr_fraction
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def _straight(progress: float, training: TrainingConfig) -> float:
    return 1 - (1 - training.final_lr_fraction) * progress


SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    (
        Schedule(name="constant", share=lambda progress, training: 1.0, decays=False),
        Schedule(name="cosine", share=_cosine),
        Schedule(name="linear", share=_straight),
        Schedule(name="wsd", share=_straight, late=True),
    ),
)


def lr_scale(training: TrainingConfig, step: int, n_steps: int) -> float:
    """Share of the peak learning rate at step 1, 2, ..., n_steps."""
    schedule = SCHEDULES[training.schedule]
    warmup = round(training.warmup_fraction * n_steps)
    if step <= warmup:
        return step / (warmup + 1)
    start = warmup
    if schedule.late:
        start = max(warmup, n_steps - round(training.decay_fraction * n_steps))
    if step <= start:
        return 1.0
    return schedule.share((step - start) / (n_steps - start + 1), training)
