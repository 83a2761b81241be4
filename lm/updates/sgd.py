"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.updates.spec import AnyOptimizer, Update

if TYPE_CHECKING:  # torch costs more than a second
    from torch import nn

    from lm.updates.config import TrainingConfig


class SGD(Update):
    """torch's SGD."""

    name = "sgd"
    settings = frozenset({"weight_decay", "momentum"})

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[AnyOptimizer]:
        from lm.updates.groups import decayed_matrices
        from lm.updates.sgd_rule import SGDOptimizer

        groups = decayed_matrices(parameters.values(), training.weight_decay)
        return [SGDOptimizer(groups, training.learning_rate, training.momentum)]
