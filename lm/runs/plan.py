"""From a horizon, a budget for example, to the steps of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lm.base.flops import Cost
from lm.base.wording import counted
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops


class BudgetError(ValueError):
    """A budget that does not pay for one step."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of a run. All have one shape, except sometimes the last."""

    n_steps: int
    shape: tuple[int, int]  # rows, predictions per row
    last_shape: tuple[int, int]
    step: Cost
    last_step: Cost
    predictions_per_step: int
    predictions_last_step: int

    @property
    def flops(self) -> Cost:
        """FLOPs of the whole run."""
        return self.flops_at(self.n_steps)

    @property
    def tokens(self) -> int:
        """Training tokens of the whole run."""
        return self.tokens_at(self.n_steps)

    def shape_at(self, step: int) -> tuple[int, int]:
        """Rows and predictions per row of step 1, 2, ..., n_steps."""
        return self.last_shape if step == self.n_steps else self.shape

    def flops_at(self, step: int) -> Cost:
        """Cumulative FLOPs after `step` steps."""
        if step == self.n_steps:
            return self.step * (step - 1) + self.last_step
        return self.step * step

    def tokens_at(self, step: int) -> int:
        """Cumulative predictions that entered a loss after `step` steps."""
        last = self.predictions_last_step if step == self.n_steps else self.predictions_per_step
        return self.predictions_per_step * (step - 1) + last if step else 0


def plan(config: RunConfig, vocab_size: int, n_train_tokens: int) -> Plan:
    """Turn the horizon of a run into steps.

    A budget is never exceeded and, up to its cap, at least 95 % of it is spent: where whole steps
    leave more than that, the last step gets a shape of its own. Raises `BudgetError` for a budget
    below one step, naming the smallest that works.
    """
    training = config.training
    shape = (training.batch_size, config.sequence_length)
    last_position = training.objective == "last_position"

    def cost(rows: int, length: int) -> Cost:
        return step_flops(
            config.model,
            vocab_size,
            batch_size=rows,
            sequence_length=length,
            optimizer=training.optimizer,
            objective=training.objective,
        )

    def predictions(rows: int, length: int) -> int:
        return rows if last_position else rows * length

    step = cost(*shape)
    last_shape = shape
    if (budget := training.most_flops) is not None:
        n_steps = int(budget // step.total)
        if n_steps == 0:
            raise BudgetError(
                f"budget must pay for at least one step, {step.total:,} FLOPs for "
                f"{counted(shape[0], 'row')} of {counted(shape[1], 'prediction')}. "
                f"Received: {budget:,.0f}. "
                "Raise the budget, or lower batch_size or the model's size."
            )
        if n_steps * step.total < 0.95 * budget:
            rest = budget - (n_steps - 1) * step.total
            last_shape = _largest_shape(cost, rest, shape)
    elif training.steps is not None:
        n_steps = training.steps
    else:
        assert training.epochs is not None
        n_steps = max(1, round(training.epochs * n_train_tokens / predictions(*shape)))
    return Plan(
        n_steps=n_steps,
        shape=shape,
        last_shape=last_shape,
        step=step,
        last_step=cost(*last_shape),
        predictions_per_step=predictions(*shape),
        predictions_last_step=predictions(*last_shape),
    )


def _largest_shape(
    cost: Callable[[int, int], Cost], budget: float, shape: tuple[int, int]
) -> tuple[int, int]:
    """The shape, rows no longer than `shape`'s, that spends most of `budget`."""

    def rows_for(length: int) -> int:
        fixed = cost(1, length)
        per_row = fixed.forward + fixed.backward
        return int((budget - fixed.optimizer) // per_row)

    candidates = [(rows_for(length), length) for length in range(shape[1], 0, -1)]
    affordable = [candidate for candidate in candidates if candidate[0] >= 1]
    for candidate in affordable:  # the longest rows that waste little
        if cost(*candidate).total >= 0.98 * budget:
            return candidate
    return max(affordable, key=lambda candidate: cost(*candidate).total)
