"""What a training computes besides matrix products, and what it reads and writes, by formula.

`operations` is all arithmetic of the training steps: the matrix products that `flops` counts, and
what stands in `lm.architectures.work` for each kind of operator, the clipping of gradients and the
optimizer. `bytes` is what these operators read and write, 4 for each number. Both follow from a
run's config, before it runs; they do not depend on the engine, and like `flops` they leave out
evaluation and samples. What each axis flatters is in docs/flops.md.
"""

from __future__ import annotations

from functools import lru_cache

from lm.architectures import Module, modules
from lm.architectures.work import BYTES, OPERATORS, SIMPLE, Amount, Work
from lm.base.flops import Cost, Scale
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops_by_module
from lm.runs.plan import Plan
from lm.updates import UPDATES
from lm.updates.adamw import touched_rows_work

NOTHING = Scale(operations=Cost(), bytes=Cost())


def step_scale_by_module(
    config: RunConfig, vocab_size: int, n_rows: int, length: int
) -> dict[str, Scale]:
    """Operations and bytes of one step on `n_rows` rows of `length` predictions, by module."""
    training = config.training
    flops = step_flops_by_module(
        config.model,
        vocab_size,
        batch_size=n_rows,
        sequence_length=length,
        optimizer=training.optimizer,
        objective=training.objective,
    )
    step = _StepScale(config, n_rows, length)
    return {
        module.name: step.scale(module, flops[module.name])
        for module in modules(config.model, vocab_size)
    }


def step_scale(config: RunConfig, vocab_size: int, n_rows: int, length: int) -> Scale:
    """Operations and bytes of one step."""
    return sum(step_scale_by_module(config, vocab_size, n_rows, length).values(), NOTHING)


@lru_cache(maxsize=4096)
def _step_scale(config: RunConfig, vocab_size: int, shape: tuple[int, int]) -> Scale:
    return step_scale(config, vocab_size, *shape)


def scale_at(config: RunConfig, vocab_size: int, plan: Plan, step: int) -> Scale:
    """Operations and bytes of the first `step` steps of a plan."""
    each = _step_scale(config, vocab_size, plan.shape)
    if step == plan.n_steps:
        return each * (step - 1) + _step_scale(config, vocab_size, plan.last_shape)
    return each * step


class _StepScale:
    """How often a step does what."""

    def __init__(self, config: RunConfig, n_rows: int, length: int) -> None:
        self.config, self.n_rows, self.length = config, n_rows, length
        self.positions = n_rows * length
        last = config.training.objective == "last_position"
        self.predictions = n_rows if last else self.positions

    def scale(self, module: Module, flops: Cost) -> Scale:
        """What a module costs, of which `flops` are its matrix products."""
        forward, backward = self._products(module)
        optimizer = self._update(module)
        for work in module.work:
            there, back = self._work(work, module)
            forward, backward = forward + there, backward + back
        if module.ngrams and not self._touched(module):
            backward += Amount(0, module.n_params)  # a gradient of zeros
        parts = {"forward": forward, "backward": backward, "optimizer": optimizer}
        return Scale(
            operations=flops + Cost(**{name: each.operations for name, each in parts.items()}),
            bytes=Cost(**{name: BYTES * each.moved for name, each in parts.items()}),
        )

    def _products(self, module: Module) -> tuple[Amount, Amount]:
        """What the matrix products of a module read and write, forward and backward."""
        if module.weight:
            d_out, d_in = module.weight
            n = self.predictions if module.output else self._reads(module)
            weights, given, result = d_out * d_in, n * d_in, n * d_out
            return Amount(0, weights + given + result), Amount(0, 2 * (weights + given + result))
        if module.attention_width:
            heads = sum(work.numbers for work in module.work if work.operator == "softmax")
            given = self.positions * module.attention_width
            scores = self.positions * self.length * heads
            once = 3 * given + 2 * scores + given  # q kᵀ, then the weights times v
            return Amount(0, once), Amount(0, 2 * once)
        return Amount(), Amount()

    def _work(self, work: Work, module: Module) -> tuple[Amount, Amount]:
        times = {
            "position": self.positions,
            "read": self._reads(module),
            "prediction": self.predictions,
            "step": 1,
        }[work.per]
        numbers, rows = work.numbers * times, work.rows * times
        if work.pairs:
            numbers *= self.length
        penalised = work.operator == "cross_entropy" and self.config.training.z_loss
        operator = OPERATORS["penalised_cross_entropy" if penalised else work.operator]
        there, back = (
            Amount(price.number * numbers + price.row * rows, price.moved * numbers)
            for price in (operator.forward, operator.backward)
        )
        return there, back

    def _update(self, module: Module) -> Amount:
        """Clipping and the optimizer's step."""
        n, work = module.n_params, UPDATES[self.config.training.optimizer].work(module)
        if self._touched(module):
            n_rows = self._lookups(module)
            width = self._looked_up(module) // n_rows
            n, work = n_rows * width, touched_rows_work(n_rows, width)
        norm = Amount(2 * SIMPLE * n, n)
        clip = Amount(SIMPLE * n, 2 * n) if self.config.training.grad_clip else Amount()
        return norm + clip + work

    def _touched(self, module: Module) -> bool:
        """Whether a step updates the rows that it reads alone."""
        training = self.config.training
        follows = "table_update" in UPDATES[training.optimizer].settings
        wanted = follows and training.table_update == "touched_rows"
        return module.ngrams and wanted and self._lookups(module) > 0

    def _reads(self, module: Module) -> int:
        return self.positions + self.n_rows * module.before

    def _lookups(self, module: Module) -> int:
        """Rows that a step reads of a table; a row that it reads twice is two."""
        return self._reads(module) * sum(w.numbers for w in module.work if w.operator == "hash")

    def _looked_up(self, module: Module) -> int:
        return self._reads(module) * sum(w.numbers for w in module.work if w.operator == "lookup")
