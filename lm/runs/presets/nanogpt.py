"""nanoGPT's GPT: github.com/karpathy/nanoGPT, the README's settings for a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lm.runs.presets.fixed import Fixed


class NanoGPT(Fixed):
    """The model of its `model.py`, and the training of its `train.py`."""

    name = "nanogpt"
    help = (
        "nanoGPT's GPT, to the letter, one size for all budgets. Choose it to check this program "
        "against another."
    )
    training: ClassVar[Mapping[str, Any]] = {
        "batch_size": 12,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "warmup_fraction": 0.05,
        "final_lr_fraction": 0.1,
        "weight_decay": 0.1,
        "beta2": 0.99,
        "grad_clip": 1.0,
    }


NANOGPT = NanoGPT()
