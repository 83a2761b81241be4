"""Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.architectures.work import DIVISION, FUNCTION, SIMPLE, Amount
from lm.updates.spec import AnyOptimizer, Update

if TYPE_CHECKING:  # torch costs more than a second
    from torch import nn

    from lm.updates.adamw_rule import AdamWOptimizer
    from lm.updates.config import TrainingConfig


class AdamW(Update):
    """torch's AdamW."""

    name = "adamw"
    settings = frozenset({"weight_decay", "beta1", "beta2", "table_update"})

    def work(self, module: Module) -> Amount:
        return adamw_work(module.n_params)

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[AnyOptimizer]:
        return [adamw(parameters.values(), training, training.learning_rate)]


def adamw_work(n: int) -> Amount:
    """What AdamW computes for `n` numbers: see `lm.updates.adamw_rule.adamw_formula`.

    Both moments, the decay, and rate · m / (√v / root + ε); it reads a number, its gradient and
    both moments, and writes all but the gradient.
    """
    moments, decay, step = (3 + 4) * SIMPLE, SIMPLE, 3 * SIMPLE + 3 * DIVISION
    return Amount((moments + decay + step) * n, 7 * n)


def touched_rows_work(n_rows: int, width: int) -> Amount:
    """What AdamW computes for rows that are brought up to date first: `lm.updates.table_rule`.

    For each row: two sums of a closed form, an exponential, a quotient. For each number: where it
    has moved, what is left of its moments, and the update. A row is read and written once more.
    """
    row = (FUNCTION + SIMPLE) + 2 * 4 * SIMPLE + (DIVISION + SIMPLE) + 2 * SIMPLE
    number = (4 * SIMPLE + 2 * DIVISION) + 2 * SIMPLE
    update = adamw_work(n_rows * width)
    return update + Amount(n_rows * (row + number * width), n_rows * (4 * width + 7))


def adamw(
    parameters: Iterable[nn.Parameter], training: TrainingConfig, learning_rate: float
) -> AdamWOptimizer:
    """AdamW for some parameters at a peak learning rate."""
    from lm.updates.adamw_rule import AdamWOptimizer
    from lm.updates.base_rule import decayed_matrices

    groups = decayed_matrices(parameters, training.weight_decay)
    return AdamWOptimizer(groups, learning_rate, training.beta1, training.beta2)
