"""AdamW for the rows of a table that a step reads, as if it had updated every row.

A step reads some hundred rows of a table of n-grams, and dense AdamW updates all of them: a row
that is passed over keeps moving by what is left of its momentum. That movement has a closed form,
so it is applied when the row is next read, at the price of the rows that are read.

Let a row have been updated last at step t, with first and second moments m and v. At step t + j its
moments are β₁ʲm and β₂ʲv, and AdamW decays it by d = 1 - lr·wd and moves it by

    g · rʲ · m / (√v + ε·√c₂/√β₂ʲ),   g = lr·√c₂/c₁,   r = β₁/√β₂,

where lr, the bias corrections c₁ and c₂, and so g and d are those of step t + j. But for ε, after k
steps the row has been decayed by D, the product of the d, and moved by S · m/√v, where S sums each
step's g·rʲ, decayed by the steps after it. With V(t) = (g(t+1) + V(t+1)) · r/d(t+1), which is
computed once from the last step back, S = D·V(t) - rᵏ·V(t+k). What stands beside √v is the mean of
ε·√c₂/√β₂ʲ over the same steps with the same weights: another such sum, over S.
"""

# torch's functions for NumPy's arrays have no types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lm.architectures.shared.embeddings import Table
from lm.updates.adamw_rule import EPSILON, adamw_numbers, fused_adamw
from lm.updates.config import TrainingConfig
from lm.updates.schedules import lr_scale

ROWS_AT_ONCE = 8_192  # brought up to date together


class Tail:
    """How far rows move while no step reads them, by the steps of a whole training."""

    def __init__(self, training: TrainingConfig, peak: float, n_steps: int) -> None:
        """`peak`: the highest learning rate of the table."""
        beta1, beta2 = training.beta1, training.beta2
        steps = np.arange(n_steps + 1.0)
        self.mean_left, self.square_left = beta1**steps, beta2**steps  # of moments, after k steps
        rates = np.array([lr_scale(training, step, n_steps) for step in range(1, n_steps + 1)])
        kept = 1 - peak * rates * training.weight_decay
        self.log_kept = np.concatenate([[0.0], np.cumsum(np.log(kept))])
        root = np.sqrt(1 - self.square_left[1:])
        moved = peak * rates * root / (1 - self.mean_left[1:])
        self.moved = _FadingSum(moved, beta1 / beta2**0.5, kept)
        self.epsilons = _FadingSum(moved * root, beta1 / beta2, kept)

    def since(self, last: np.ndarray, now: int | np.ndarray) -> tuple[np.ndarray, ...]:
        """What the steps that rows have missed do to their weights: arguments of `moved_on`.

        Args:
            last: (n,) the step that updated each row.
            now: The step up to which, one for all rows or (n,).

        Returns `kept`, what decay leaves of a weight; `moved`, how many times mean / (√square +
        ε) is subtracted; and that ε: (n,) each.
        """
        kept = np.exp(self.log_kept[now] - self.log_kept[last])
        moved, epsilons = self.moved(last, now, kept), self.epsilons(last, now, kept)
        mean = np.divide(epsilons, moved, out=np.ones_like(moved), where=moved > 0)
        return kept, moved, EPSILON * mean


class _FadingSum:
    """The sum over the steps t + 1 to t + k of a value times ratioʲ, decayed by later steps."""

    def __init__(self, values: np.ndarray, ratio: float, kept: np.ndarray) -> None:
        """`values` and the share of a weight that each step keeps, both (n_steps,)."""
        self.to_the_end = np.zeros(len(values) + 1)  # from each step, over the decay until the last
        for step in range(len(values) - 1, -1, -1):
            later = values[step] + self.to_the_end[step + 1]
            self.to_the_end[step] = later * ratio / kept[step]
        self.faded = ratio ** np.arange(len(values) + 1.0)

    def __call__(self, last: np.ndarray, now: int | np.ndarray, kept: np.ndarray) -> np.ndarray:
        """(n,) from the steps `last` (n,) to `now`, between which a share `kept` (n,) is kept."""
        rest = self.faded[now - last] * self.to_the_end[now]
        return np.maximum(kept * self.to_the_end[last] - rest, 0)


def moved_on(
    weight: Tensor, mean: Tensor, square: Tensor, kept: Tensor, moved: Tensor, epsilon: Tensor
) -> Tensor:
    """Rows (n, width) after the steps that they have missed, by `Tail.since`.

    `weight` and both moments are those of the last step that updated a row.
    """
    return weight * kept - mean * moved / (square.sqrt() + epsilon)


@dataclass
class ReadRows:
    """Rows that a step has read, each once."""

    ids: np.ndarray  # (n,) their numbers
    missed: np.ndarray  # (n,) the steps since each was updated
    stored: Tensor  # (3, n, width) as in `TouchedRows.rows`
    weights: Tensor  # (n, width) after the last step; with their gradient, after a backward pass


class TouchedRows:
    """The optimizer of one table. While it trains, the table reads its rows here.

    Until the last step, rows of `table.weight` that were not read lately lag behind: `caught_up`
    has them as they would be.
    """

    def __init__(self, table: Table, training: TrainingConfig, peak: float, n_steps: int) -> None:
        self.table, self.training, self.n_steps = table, training, n_steps
        self.param_groups: list[dict[str, Any]] = [
            {"params": [table.weight], "lr": peak, "weight_decay": training.weight_decay}
        ]
        self.tail = Tail(training, peak, n_steps)
        n_rows, width = table.weight.shape
        # weight, mean gradient, mean squared gradient
        self.rows = table.weight.new_zeros(n_rows, 3, width)
        self.last = torch.zeros(n_rows, dtype=torch.long)  # the step that updated a row
        self.step_done = 0
        self._places = np.zeros(n_rows, dtype=np.int64)  # where a row stands among those read
        self._read: list[ReadRows] = []
        self._others: list[tuple[np.ndarray, Tensor]] = []  # rows of other processes, and gradients
        with torch.no_grad():
            self.rows[:, 0] = table.weight
        table.weight.data = self.rows[:, 0]
        table.reader = self.read

    # --- reading ----------------------------------------------------------------------------------

    def read(self, ids: Tensor) -> Tensor:
        """The weights of rows (...,), as they are after the last step: (..., width).

        Where a gradient is wanted, they are remembered for `step`.
        """
        distinct, places = self._distinct(ids.flatten().numpy())
        read = self._rows_of(distinct)
        if torch.is_grad_enabled():
            read.weights.requires_grad_()
            self._read.append(read)
        return F.embedding(torch.from_numpy(places).view_as(ids), read.weights)

    def caught_up(self) -> Tensor:
        """The whole table after the last step.

        Some rows at a time: to bring them up to date takes several times their memory.
        """
        n_rows, _, width = self.rows.shape
        weights = self.rows.new_empty(n_rows, width)
        for first in range(0, n_rows, ROWS_AT_ONCE):
            ids = np.arange(first, min(first + ROWS_AT_ONCE, n_rows))
            weights[first : first + len(ids)] = self._rows_of(ids).weights
        return weights

    def _distinct(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each row of `ids` (N,) once, and the place of each of `ids` among them."""
        order = np.arange(len(ids))
        self._places[ids] = order  # of a row that occurs twice, the last remains
        distinct = ids[self._places[ids] == order]
        self._places[distinct] = order[: len(distinct)]
        return distinct, self._places[ids]

    @torch.no_grad()
    def _rows_of(self, ids: np.ndarray) -> ReadRows:
        dtype, width = self.rows.numpy().dtype, self.rows.shape[2]
        stored = torch.from_numpy(self._whole_rows().take(ids).view(dtype).reshape(-1, 3, width))
        stored = stored.transpose(0, 1).contiguous()
        last = self.last.numpy()[ids]
        since = map(self._column, self.tail.since(last, self.step_done))
        return ReadRows(ids, self.step_done - last, stored, moved_on(*stored, *since))

    def _whole_rows(self) -> np.ndarray:
        """`rows` as (n_rows,) of opaque items: NumPy copies these at once, not number by number."""
        flat = self.rows.numpy().reshape(len(self.rows), -1)
        return flat.view(np.dtype((np.void, flat.strides[0])))[:, 0]

    def _column(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.rows.dtype)[:, None]

    # --- updating ---------------------------------------------------------------------------------

    def begin(self, step: int) -> None:
        """Get ready for a step's forward pass."""
        self.step_done = step - 1
        self._read, self._others = [], []

    def add(self, ids: Tensor, gradients: Tensor) -> None:
        """Add the gradients (n, width) of rows (n,) that another process has read."""
        self._others.append((ids.numpy(), gradients))

    def merged(self) -> ReadRows:
        """All rows that the step has read, with their gradients."""
        if len(self._read) > 1 or self._others:
            every = [*((read.ids, read.weights.grad) for read in self._read), *self._others]
            ids, places = self._distinct(np.concatenate([ids for ids, _ in every]))
            read = self._rows_of(ids)
            gradients = torch.cat([gradient for _, gradient in every if gradient is not None])
            total = torch.zeros_like(read.weights)
            read.weights.grad = total.index_add_(0, torch.from_numpy(places), gradients)
            self._read, self._others = [read], []
        return self._read[0]

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows that were read."""
        read, (group,) = self.merged(), self.param_groups
        weight, mean, square = read.stored
        weight.copy_(read.weights)
        mean.mul_(self._column(self.tail.mean_left[read.missed]))
        square.mul_(self._column(self.tail.square_left[read.missed]))
        count = torch.tensor(float(self.step_done))
        gradient = cast(Tensor, read.weights.grad)
        beta1, beta2 = self.training.beta1, self.training.beta2
        fused_adamw([weight], [gradient], [mean], [square], [count], group, beta1, beta2)
        whole = self._whole_rows()
        stored = np.ascontiguousarray(read.stored.numpy().swapaxes(0, 1))
        whole[read.ids] = stored.reshape(len(read.ids), -1).view(whole.dtype)[:, 0]
        self.last.numpy()[read.ids] = self.step_done + 1
        self._read = []
        self.advance_to(self.step_done + 1)

    def advance_to(self, step: int) -> None:
        """Note that the steps until `step` are done.

        After the last one, all rows are brought up to date, and the table reads them itself.
        """
        self.step_done = step
        if step == self.n_steps:
            self.table.weight.data = self.caught_up()
            self.rows[:, 0] = self.table.weight.detach()
            self.last.fill_(step)
            self.table.reader = None

    # --- updating elsewhere -----------------------------------------------------------------------

    def numbers(self, step: int) -> list[float]:
        """What `adamw_formula` needs of a step."""
        (group,), beta1, beta2 = self.param_groups, self.training.beta1, self.training.beta2
        return adamw_numbers(beta1, beta2, group["lr"], group["weight_decay"], step)

    def reads(self, ids: np.ndarray, first: int, last: np.ndarray) -> list[np.ndarray]:
        """What n steps from `first` on read of the table and what they need to update it.

        Args:
            ids: (n, N) the rows that each step reads, some of them several times.
            first: The first of these steps.
            last: (n_rows,) the step that updated each row; brought to the end of these steps.

        Returns:
            rows: (n, N) of each step, each row once, filled up with the one beyond the table.
            places: (n, N) where each of `ids` stands among `rows`.
            tails: (n, 5, N) of each of `rows`: `Tail.since`, and what is left of both moments.
        """
        n_steps, n_ids = ids.shape
        beyond = len(self.rows)
        rows = np.full((n_steps, n_ids), beyond, dtype=np.int32)
        places = np.empty((n_steps, n_ids), dtype=np.int32)
        updated = np.zeros((n_steps, n_ids), dtype=np.int64)  # when each of `rows` was
        for i in range(n_steps):
            distinct, places[i] = self._distinct(ids[i])
            rows[i, : len(distinct)] = distinct
            updated[i, : len(distinct)] = last[distinct]
            last[distinct] = first + i
        in_table = rows < beyond
        before = np.arange(first - 1, first - 1 + n_steps, dtype=np.int64)  # the step before each
        now: np.ndarray = np.repeat(before, in_table.sum(1))
        then = updated[in_table]
        left = self.tail.mean_left[now - then], self.tail.square_left[now - then]
        tails = np.ones((n_steps, 5, n_ids), dtype=np.float32)
        for i, values in enumerate((*self.tail.since(then, now), *left)):
            tails[:, i][in_table] = values
        return [rows, places, tails]

    def note_updated(self, rows: np.ndarray, first: int) -> None:
        """Note that the steps from `first` on have updated `rows` (n, N), as `reads` gave them."""
        steps = np.broadcast_to(np.arange(first, first + len(rows))[:, None], rows.shape)
        in_table = rows < len(self.rows)
        self.last.numpy()[rows[in_table]] = steps[in_table]  # of several steps, the last remains

    # --- being saved ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What later steps depend on besides `table.weight`."""
        step = torch.tensor(self.step_done)
        state = {"exp_avg": self.rows[:, 1], "exp_avg_sq": self.rows[:, 2], "last": self.last}
        return {"state": {0: {**state, "step": step}}, "param_groups": []}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from there. Raises KeyError or RuntimeError if it is of another table."""
        state = state_dict["state"][0]
        self.rows[:, 1] = state["exp_avg"]
        self.rows[:, 2] = state["exp_avg_sq"]
        self.last.copy_(state["last"])
        self.step_done = int(state["step"])

    # --- several processes ------------------------------------------------------------------------

    def share(self, shared_like: Callable[[Sequence[Tensor]], list[Tensor]]) -> None:
        """Move to memory that processes share what the first of them writes and all read."""
        rows, last = shared_like([self.rows, self.last])
        self.rows, self.last = rows.copy_(self.rows), last.copy_(self.last)
        self.table.weight.data = self.rows[:, 0]


def touched(optimizers: Sequence[Any]) -> Iterator[TouchedRows]:
    """Those of some optimizers that update the rows that are read."""
    return (each for each in optimizers if isinstance(each, TouchedRows))
