"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.architectures.work import SIMPLE, Amount
from lm.updates.spec import AnyOptimizer, Update

if TYPE_CHECKING:  # torch costs more than a second
    from torch import nn

    from lm.updates.config import TrainingConfig


class SGD(Update):
    """torch's SGD."""

    name = "sgd"
    settings = frozenset({"weight_decay", "momentum"})

    def work(self, module: Module) -> Amount:
        """g + decay · w, momentum · b + that, w - rate · b: two operations each."""
        return Amount(6 * SIMPLE * module.n_params, 5 * module.n_params)

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[AnyOptimizer]:
        from lm.updates.base_rule import decayed_matrices
        from lm.updates.sgd_rule import SGDOptimizer

        groups = decayed_matrices(parameters.values(), training.weight_decay)
        return [SGDOptimizer(groups, training.learning_rate, training.momentum)]
