"""The coursework's setup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lm.runs.presets.fixed import Fixed


class Classic(Fixed):
    """As the coursework trained its four architectures."""

    name = "classic"
    help = (
        "As the coursework trained them, one size for all budgets. Choose it to see what newer "
        "recipes gain."
    )
    training: ClassVar[Mapping[str, Any]] = {
        "batch_size": 64,
        "learning_rate": 3e-4,
        "schedule": "constant",
        "warmup_fraction": 0.0,
        "weight_decay": 0.01,
        "beta2": 0.999,
        "grad_clip": 0.0,
    }


CLASSIC = Classic()
