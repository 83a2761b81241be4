"""Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.updates.spec import AnyOptimizer, Update

if TYPE_CHECKING:  # torch costs more than a second
    from torch import nn

    from lm.updates.adamw_rule import AdamWOptimizer
    from lm.updates.config import TrainingConfig


class AdamW(Update):
    """torch's AdamW."""

    name = "adamw"
    settings = frozenset({"weight_decay", "beta1", "beta2", "table_update"})

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[AnyOptimizer]:
        return [adamw(parameters.values(), training, training.learning_rate)]


def adamw(
    parameters: Iterable[nn.Parameter], training: TrainingConfig, learning_rate: float
) -> AdamWOptimizer:
    """AdamW for some parameters at a peak learning rate."""
    from lm.updates.adamw_rule import AdamWOptimizer
    from lm.updates.groups import decayed_matrices

    groups = decayed_matrices(parameters, training.weight_decay)
    return AdamWOptimizer(groups, learning_rate, training.beta1, training.beta2)
