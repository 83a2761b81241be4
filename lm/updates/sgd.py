"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.updates.spec import Update

if TYPE_CHECKING:  # torch costs more than a second
    import torch
    from torch import nn

    from lm.updates.config import TrainingConfig


class SGD(Update):
    """torch.optim.SGD."""

    name = "sgd"
    settings = frozenset({"weight_decay", "momentum"})
    moments = 1

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[torch.optim.Optimizer]:
        import torch

        from lm.updates.groups import decayed_matrices

        groups = decayed_matrices(parameters.values(), training.weight_decay)
        return [torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum)]
