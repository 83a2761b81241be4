"""Which parameters weight decay shrinks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn


def decayed_matrices(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[Any]:
    """Parameter groups: matrices with decay, vectors (biases, norms) without."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
