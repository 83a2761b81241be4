"""Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.updates.spec import Update

if TYPE_CHECKING:  # torch costs more than a second
    import torch
    from torch import nn

    from lm.updates.config import TrainingConfig


class AdamW(Update):
    """torch.optim.AdamW."""

    name = "adamw"
    settings = frozenset({"weight_decay", "beta1", "beta2"})
    moments = 2

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[torch.optim.Optimizer]:
        return [adamw(parameters.values(), training, training.learning_rate)]


def adamw(
    parameters: Iterable[nn.Parameter], training: TrainingConfig, learning_rate: float
) -> torch.optim.AdamW:
    """AdamW for some parameters at a peak learning rate."""
    import torch

    from lm.updates.groups import decayed_matrices

    groups = decayed_matrices(parameters, training.weight_decay)
    real = groups[0]["params"][0].device.type != "meta"  # where no kernel computes, none is fused
    return torch.optim.AdamW(
        groups,
        lr=learning_rate,
        betas=(training.beta1, training.beta2),
        fused=real,
        foreach=not real,
    )
