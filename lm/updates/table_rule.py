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
from torch.optim.adamw import adamw

from lm.architectures.shared.embeddings import Table
from lm.updates.adamw_rule import EPSILON
from lm.updates.config import TrainingConfig
from lm.updates.schedules import lr_scale

ROWS_AT_ONCE = 8_192  # brought up to date together


class Tail:
    """How far rows move that are passed over, by the steps of a whole training."""

    def __init__(self, training: TrainingConfig, peak: float, n_steps: int) -> None:
        """`peak`: the highest learning rate of the table."""
        self.beta1, self.beta2 = training.beta1, training.beta2
        steps = np.arange(n_steps + 1.0)
        self.first, self.second = self.beta1**steps, self.beta2**steps
        rates = np.array([lr_scale(training, step, n_steps) for step in range(1, n_steps + 1)])
        kept = 1 - peak * rates * training.weight_decay
        self.log_kept = np.concatenate([[0.0], np.cumsum(np.log(kept))])
        root = np.sqrt(1 - self.second[1:])
        moved = peak * rates * root / (1 - self.first[1:])
        self.moved = _Sum(moved, self.beta1 / self.beta2**0.5, kept)
        self.beside = _Sum(moved * root, self.beta1 / self.beta2, kept)

    def since(
        self, last: np.ndarray, now: int | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of rows that were updated at `last` (n,), after step `now` (or of each), each (n,).

        By what their weights were multiplied, and then, how many times the first moment over the
        root of the second was subtracted, and what stands beside that root.
        """
        kept = np.exp(self.log_kept[now] - self.log_kept[last])
        moved, beside = self.moved(last, now, kept), self.beside(last, now, kept)
        mean = np.divide(beside, moved, out=np.ones_like(moved), where=moved > 0)
        return kept, moved, EPSILON * mean

    def faded(self, passed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is left of both moments, each (n,), after some steps (n,)."""
        return self.first[passed], self.second[passed]


class _Sum:
    """The sum over the steps t + 1 to t + k of a value times ratioʲ, decayed by later steps."""

    def __init__(self, values: np.ndarray, ratio: float, kept: np.ndarray) -> None:
        """`values` and the share of a weight that each step keeps, both (n_steps,)."""
        self.ahead = np.zeros(len(values) + 1)  # the sum to the last step, over the decay until it
        for step in range(len(values) - 1, -1, -1):
            self.ahead[step] = (values[step] + self.ahead[step + 1]) * ratio / kept[step]
        self.ratio = ratio ** np.arange(len(values) + 1.0)

    def __call__(self, last: np.ndarray, now: int | np.ndarray, kept: np.ndarray) -> np.ndarray:
        """(n,) from the steps `last` (n,) to `now`, between which a share `kept` (n,) is kept."""
        rest = self.ratio[now - last] * self.ahead[now]
        return np.maximum(kept * self.ahead[last] - rest, 0)


def moved_on(
    weight: Tensor, mean: Tensor, square: Tensor, kept: Tensor, moved: Tensor, epsilon: Tensor
) -> Tensor:
    """Rows (n, width) as their tail leaves them: of their last update, and of `Tail.since`."""
    return weight * kept - mean * moved / (square.sqrt() + epsilon)


@dataclass
class Piece:
    """Rows that a step has read, each once."""

    ids: np.ndarray  # (n,) their numbers
    passed: np.ndarray  # (n,) the steps since each was updated
    stored: Tensor  # (3, n, width) as in `TouchedRows.rows`
    weights: Tensor  # (n, width) after the last step; with their gradient, after a backward pass


class TouchedRows:
    """The optimizer of one table. While it trains, the table reads its rows here.

    It has what training asks of an optimizer. Until `settle`, rows of `table.weight` that were not
    read lately lag behind: `caught_up` has them as they would be.
    """

    def __init__(self, table: Table, training: TrainingConfig, peak: float, n_steps: int) -> None:
        self.table = table
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
        self._pieces: list[Piece] = []
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
        piece = self._piece(distinct)
        if torch.is_grad_enabled():
            piece.weights.requires_grad_()
            self._pieces.append(piece)
        return F.embedding(torch.from_numpy(places).view_as(ids), piece.weights)

    def caught_up(self) -> Tensor:
        """The whole table after the last step.

        In pieces: to bring rows up to date takes several times the memory of the rows.
        """
        n_rows, _, width = self.rows.shape
        weights = self.rows.new_empty(n_rows, width)
        for first in range(0, n_rows, ROWS_AT_ONCE):
            ids = np.arange(first, min(first + ROWS_AT_ONCE, n_rows))
            weights[first : first + len(ids)] = self._piece(ids).weights
        return weights

    def _distinct(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each row of `ids` (N,) once, and the place of each of `ids` among them."""
        order = np.arange(len(ids))
        self._places[ids] = order  # of a row that occurs twice, the last remains
        distinct = ids[self._places[ids] == order]
        self._places[distinct] = order[: len(distinct)]
        return distinct, self._places[ids]

    @torch.no_grad()
    def _piece(self, ids: np.ndarray) -> Piece:
        dtype, width = self.rows.numpy().dtype, self.rows.shape[2]
        stored = torch.from_numpy(self._whole_rows().take(ids).view(dtype).reshape(-1, 3, width))
        stored = stored.transpose(0, 1).contiguous()
        last = self.last.numpy()[ids]
        since = map(self._column, self.tail.since(last, self.step_done))
        weights = moved_on(*stored, *since)
        return Piece(ids, self.step_done - last, stored, weights)

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
        self._pieces, self._others = [], []

    def add(self, ids: Tensor, gradients: Tensor) -> None:
        """Add the gradients (n, width) of rows (n,) that another process has read."""
        self._others.append((ids.numpy(), gradients))

    def merged(self) -> Piece:
        """All rows that the step has read, with their gradients."""
        if len(self._pieces) > 1 or self._others:
            parts = [(piece.ids, piece.weights.grad) for piece in self._pieces]
            every = [*parts, *self._others]
            ids, places = self._distinct(np.concatenate([ids for ids, _ in every]))
            piece = self._piece(ids)
            gradients = torch.cat([gradient for _, gradient in every if gradient is not None])
            total = torch.zeros_like(piece.weights)
            piece.weights.grad = total.index_add_(0, torch.from_numpy(places), gradients)
            self._pieces, self._others = [piece], []
        return self._pieces[0]

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows that were read."""
        piece, (group,) = self.merged(), self.param_groups
        weight, mean, square = piece.stored
        weight.copy_(piece.weights)
        first, second = map(self._column, self.tail.faded(piece.passed))
        adamw(
            [weight],
            [cast(Tensor, piece.weights.grad)],
            [mean.mul_(first)],
            [square.mul_(second)],
            [],
            [torch.tensor(float(self.step_done))],
            fused=True,
            amsgrad=False,
            beta1=self.tail.beta1,
            beta2=self.tail.beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )
        self.step_done += 1
        whole = self._whole_rows()
        stored = np.ascontiguousarray(piece.stored.numpy().swapaxes(0, 1))
        whole[piece.ids] = stored.reshape(len(piece.ids), -1).view(whole.dtype)[:, 0]
        self.last.numpy()[piece.ids] = self.step_done
        self._pieces = []

    def ahead(self, ids: np.ndarray, first: int, last: np.ndarray) -> list[np.ndarray]:
        """What the steps from `first` on will read, in one place, to be computed elsewhere.

        `ids` (n, N): the rows that n steps read. For each step, in arrays of one length: the rows
        (n, N), each once, and then the one beyond the table; the place of each of `ids` among them,
        (n, N); and in (n, 5, N) what `moved_on` needs of them, and what is left of both moments.
        `last` (n_rows,), the step that updated each row, is brought to the end of these steps;
        `took` says that they were taken.
        """
        n_steps, most = ids.shape
        rows = np.full((n_steps, most), len(self.rows), dtype=np.int32)
        places = np.empty((n_steps, most), dtype=np.int32)
        tails = np.ones((n_steps, 5, most), dtype=np.float32)
        counts = np.empty(n_steps, dtype=np.int64)
        updated: list[np.ndarray] = []
        for i in range(n_steps):
            distinct, places[i] = self._distinct(ids[i])
            counts[i] = len(distinct)
            rows[i, : len(distinct)] = distinct
            updated.append(last[distinct])
            last[distinct] = first + i
        done = np.arange(first - 1, first + n_steps - 1, dtype=np.int64)
        steps: np.ndarray = np.repeat(done, counts)
        lasts = np.concatenate(updated)
        inside = rows < len(self.rows)
        values = (*self.tail.since(lasts, steps), *self.tail.faded(steps - lasts))
        for i, value in enumerate(values):
            tails[:, i][inside] = value
        return [rows, places, tails]

    def took(self, rows: np.ndarray, first: int) -> None:
        """Note that the steps from `first` on, taken elsewhere, have updated rows (n, N).

        As `ahead` gave them.
        """
        steps = np.broadcast_to(np.arange(first, first + len(rows))[:, None], rows.shape)
        inside = rows < len(self.rows)
        self.last.numpy()[rows[inside]] = steps[inside]  # of several steps, the last remains

    def ahead_like(self, ids: np.ndarray) -> list[np.ndarray]:
        """What `ahead` gives, in shape alone: nothing is updated."""
        n_steps, most = ids.shape
        rows = np.zeros((n_steps, most), dtype=np.int32)
        return [rows, rows, np.ones((n_steps, 5, most), dtype=np.float32)]

    def settle(self) -> None:
        """Bring all rows up to date, after the last step, and let the table read them plainly."""
        self.table.weight.data = self.caught_up()
        self.rows[:, 0] = self.table.weight.detach()
        self.last.fill_(self.step_done)
        self.table.reader = None

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
