"""Training as a generator of records, without I/O.

Data order and dropout depend on `(seed, step)` alone, and everything else that a step needs is
in `TrainingState`. So a run that stops after any step and is rebuilt from that state continues
bit for bit, given the same number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lm.architectures.shared.model import LanguageModel, load_weights, weights
from lm.architectures.shared.products import rounded_to
from lm.base.records import StepRecord
from lm.runs.plan import Plan
from lm.training.parallel import in_processes
from lm.updates.config import TrainingConfig
from lm.updates.optimizers import Optimizers, clip_gradients, set_learning_rate
from lm.updates.schedules import lr_scale
from lm.updates.table_rule import touched

RECORDS_PER_RUN = 500  # enough for any chart, and few enough to keep a run's folder small
FIRST_RECORDS = 50  # the first steps have one each, so that a long run has a curve at once


class NonFiniteLossError(ArithmeticError):
    """The loss of a step is infinite or not a number."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"The loss became {loss} at step {step}. Lower the learning rate, or clip gradients."
        )
        self.step = step


class NotCompiledError(ValueError):
    """A training has a part that is not compiled; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The rows of a training step: B of them, of T predictions each."""

    inputs: Tensor  # (B, T)
    targets: Tensor  # (B, T), the tokens that follow
    before: Tensor | None  # (B, lookback) tokens that complete the first windows of a row

    @classmethod
    def empty(cls, model: LanguageModel, rows: int, length: int) -> Batch:
        """A batch of the right shapes, to count FLOPs on."""
        zeros = torch.zeros(rows, model.config.lookback + length + 1, dtype=torch.long)
        return _split_rows(zeros, model.config.lookback)


def _split_rows(rows: Tensor, lookback: int) -> Batch:
    """(B, lookback + T + 1) consecutive tokens -> the parts of a batch."""
    before = rows[:, :lookback] if lookback else None
    return Batch(inputs=rows[:, lookback:-1], targets=rows[:, lookback + 1 :], before=before)


class Batches:
    """Rows of a token stream in an order that depends on (seed, step) alone.

    Each epoch cuts the stream at a random offset into rows of T predictions and shuffles them;
    every row is used once per epoch. Rows start where a full window precedes them.
    """

    def __init__(self, token_ids: Tensor, lookback: int, row_length: int, seed: int) -> None:
        """`token_ids`: (N,), on the device. Raises ValueError if N is too short for one row."""
        needed = lookback + row_length + 1
        if len(token_ids) < needed:
            raise ValueError(
                f"The train split must hold at least {needed:,} tokens for rows of {row_length:,} "
                f"predictions and a look-back of {lookback:,}. Received: {len(token_ids):,}. "
                "Use a longer text, or lower context_length or sequence_length."
            )
        self.rows = token_ids.unfold(0, needed, 1)  # (starts, lookback + T + 1), a view
        self.lookback, self.row_length, self.seed = lookback, row_length, seed
        self.rows_per_epoch = max(1, len(self.rows) // row_length)
        self._epoch, self._starts = -1, np.empty(0, dtype=np.int64)

    def __call__(self, first_row: int, n_rows: int, length: int) -> Batch:
        """`n_rows` rows of the endless stream from `first_row` on, of `length` predictions each."""
        return _split_rows(self.rows_of(first_row, n_rows, length), self.lookback)

    def rows_of(self, first_row: int, n_rows: int, length: int) -> Tensor:
        """The same as consecutive tokens, (n_rows, lookback + length + 1)."""
        starts = np.empty(n_rows, dtype=np.int64)
        filled = 0
        while filled < n_rows:
            epoch, place = divmod(first_row + filled, self.rows_per_epoch)
            piece = self._starts_of(epoch)[place : place + n_rows - filled]
            starts[filled : filled + len(piece)] = piece
            filled += len(piece)
        indices = torch.from_numpy(starts).to(self.rows.device)
        return self.rows[indices, : self.lookback + length + 1]

    def _starts_of(self, epoch: int) -> np.ndarray:
        """(rows_per_epoch,) where the rows of an epoch start, in their order."""
        if epoch != self._epoch:
            random = np.random.Generator(np.random.Philox(key=self.seed, counter=epoch))
            spare = len(self.rows) - (self.rows_per_epoch - 1) * self.row_length
            offset = random.integers(min(spare, self.row_length))
            order = random.permutation(self.rows_per_epoch)
            self._epoch, self._starts = epoch, offset + order * self.row_length
        return self._starts


def loss_of(model: LanguageModel, batch: Batch, objective: str, z_loss: float = 0.0) -> Tensor:
    """The mean loss of a batch, in nats per prediction, to be differentiated.

    The gradient is that of the loss plus `z_loss` times (log Z)², Z being the softmax's
    denominator. `objective` is "all_positions", or "last_position" for the last of each row alone.
    """
    features, targets = model.features(batch.inputs, batch.before), batch.targets
    if objective == "last_position":  # (B, T, d), (B, T)
        features, targets = features[:, -1:], targets[:, -1:]
    return model.head.loss(features.flatten(0, 1), targets.flatten(), z_loss=z_loss)


def loss_of_rows(model: LanguageModel, rows: Tensor, objective: str, z_loss: float = 0.0) -> Tensor:
    """`loss_of` consecutive tokens, (B, lookback + T + 1)."""
    return loss_of(model, _split_rows(rows, model.config.lookback), objective, z_loss)


class Ahead(Protocol):
    """Takes many steps at once, with a state of its own."""

    steps: range  # that it can take
    compiling: bool  # whether it is getting ready, and that takes long

    def prepare(self) -> Iterator[None]:
        """Get ready, yielding while that takes."""
        ...

    def take(self, first: int, most: int) -> tuple[np.ndarray, list[float]]:
        """Take steps from `first` on: losses and norms (n, 2), and n learning rates."""
        ...

    def took(self, seconds: float) -> None:
        """Be told how long one step took."""

    def write(self, step: int) -> None:
        """Bring the model and its optimizers to what they are after the last step."""


@dataclass(kw_only=True)
class TrainingState:
    """Where a training is. `train` advances it in place; its tensors restore it exactly."""

    model: LanguageModel
    optimizers: Optimizers
    step: int = 0
    seconds: float = 0.0
    losses: list[Tensor] = field(default_factory=list)  # since the last record
    ahead: Ahead | None = None  # which has the weights, and what optimizers know, since some steps

    def catch_up(self) -> None:
        """Have model and optimizers hold what the last step left."""
        if self.ahead is not None:
            self.ahead.write(self.step)

    def weights(self) -> dict[str, Tensor]:
        """The model's weights by name, all of them after the last step."""
        self.catch_up()
        lagging = {rows.table.weight: rows for rows in touched(self.optimizers)}
        return {
            name: lagging[parameter].caught_up() if parameter in lagging else parameter.detach()
            for name, parameter in self.model.named_parameters()
        }

    def settle(self) -> None:
        """Bring all weights up to date, when no step follows any more."""
        self.catch_up()
        self.ahead = None
        for optimizer in touched(self.optimizers):
            optimizer.settle()

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that a later step depends on, by a name with dots."""
        self.catch_up()
        tensors = {f"model.{name}": tensor for name, tensor in weights(self.model).items()}
        for i, optimizer in enumerate(self.optimizers):
            for parameter, values in optimizer.state_dict()["state"].items():
                for name, value in values.items():
                    tensors[f"optimizer.{i}.{parameter}.{name}"] = torch.as_tensor(value)
        if self.losses:
            tensors["losses"] = torch.stack(self.losses)
        tensors["step"] = torch.tensor(self.step)
        tensors["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        return tensors

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `tensors()` gave. Raises ValueError or KeyError if it does not fit."""
        own = {name: value for name, value in tensors.items() if name.startswith("model.")}
        load_weights(self.model, {name.removeprefix("model."): own[name] for name in own})
        for i, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimizer.{i}."):
                    _, _, parameter, name = key.split(".")
                    state.setdefault(int(parameter), {})[name] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step = int(tensors["step"])
        self.seconds = float(tensors["seconds"])
        device = next(self.model.parameters()).device
        self.losses = list(tensors["losses"].to(device)) if "losses" in tensors else []


def _seed_dropout(seed: int, device: torch.device) -> None:
    """torch.manual_seed for one device: for all, it formats three stack traces at every step."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def record_interval(n_steps: int) -> int:
    """Steps between two records, after the first FIRST_RECORDS steps."""
    return -(-n_steps // RECORDS_PER_RUN)


def train(
    state: TrainingState,
    batches: Batches,
    training: TrainingConfig,
    plan: Plan,
    n_processes: int = 1,
    ahead: Ahead | None = None,
    stops: Sequence[int] = (),
) -> Generator[StepRecord | None, None, None]:
    """Take the steps of `plan` that are left, yielding records, and None after other steps.

    Not every step has a record: see `record_interval`. Where a yield is None or the record of
    `state.step`, `state` is complete, so whoever iterates may save it or stop there. The rows of a
    step are divided among `n_processes` processes, this one included. `ahead` takes some steps at
    once, but none beyond the next of `stops` (rising), where the state is wanted. Raises
    `NonFiniteLossError`, naming the first step whose loss is infinite or not a number.
    """
    model, every = state.model, record_interval(plan.n_steps)
    parameters = list(model.parameters())
    tables = list(touched(state.optimizers))
    rows_per_step, device = plan.shape[0], parameters[0].device
    n_parts = min(n_processes, rows_per_step)

    def part(step: int, i: int) -> Tensor | None:
        """Add the gradients of the i-th part of a step's rows; return its share of the loss."""
        n_rows, length = plan.shape_at(step)
        last = n_parts - i  # from the end: where rows are few, the first part has some
        first, end = n_rows * (last - 1) // n_parts, n_rows * last // n_parts
        if first == end:
            return None
        batch = batches((step - 1) * rows_per_step + first, end - first, length)
        _seed_dropout((training.seed << 32) + (i << 24) + step, device)
        for table in tables:
            table.begin(step)
        if not model.training:
            model.train()
        with rounded_to(training.precision, batch.inputs.device):
            loss = loss_of(model, batch, training.objective, training.z_loss) * (
                (end - first) / n_rows
            )
        loss.backward()
        return loss.detach()

    def record(losses: Sequence[float], step: int, rate: float, norm: float) -> StepRecord:
        """The record of a step: `losses` are those since the last."""
        return StepRecord(
            step=step,
            tokens=plan.tokens_at(step),
            flops=plan.flops_at(step).total,
            seconds=state.seconds,
            train_loss=float(np.mean(losses)),
            learning_rate=rate,
            grad_norm=norm,
        )

    def is_recorded(step: int) -> bool:
        return step <= FIRST_RECORDS or step % every == 0 or step == plan.n_steps

    def take_one(gradients_of: Callable[[int], Tensor]) -> StepRecord | None:
        started_at = time.perf_counter()
        step = state.step + 1
        state.catch_up()
        learning_rate = set_learning_rate(state.optimizers, lr_scale(training, step, plan.n_steps))
        loss = gradients_of(step)
        rows = [table.merged().weights for table in tables]
        norm = clip_gradients([*parameters, *rows], training.grad_clip)
        for optimizer in state.optimizers:
            optimizer.step()
        for parameter in parameters:
            parameter.grad = None
        state.step, state.ahead = step, None
        state.losses.append(loss)
        losses: list[float] | None = None
        if is_recorded(step):
            losses = torch.stack(state.losses).tolist()  # the only wait for the device
            _check_finite(losses, step)
            state.losses = []
        state.seconds += time.perf_counter() - started_at
        return None if losses is None else record(losses, step, learning_rate, float(norm))

    def take_many(ahead: Ahead, most: int) -> Iterator[StepRecord | None]:
        started_at = time.perf_counter()
        first = state.step + 1
        results, rates = ahead.take(first, most)
        n = len(results)
        _check_finite(results[:, 0], first + n - 1)
        seconds = (time.perf_counter() - started_at) / n
        ahead.took(seconds)
        state.step, state.ahead = first + n - 1, ahead
        losses = torch.stack(state.losses).tolist() if state.losses else []
        state.losses = []
        for i, (loss, norm) in enumerate(results.tolist()):
            state.seconds += seconds
            losses.append(loss)
            if is_recorded(first + i):
                yield record(losses, first + i, rates[i], norm)
                losses = []
            elif i == n - 1:
                state.losses = list(torch.tensor(losses))
                yield None

    with in_processes(model, n_parts, part, tables) as gradients_of:
        while state.step < plan.n_steps:
            step = state.step + 1
            if ahead is None or step not in ahead.steps:
                yield take_one(gradients_of)
                continue
            yield from ahead.prepare()
            stop = next((stop for stop in stops if stop >= step), plan.n_steps)
            yield from take_many(ahead, stop - state.step)


def _check_finite(losses: Iterable[float], last_step: int) -> None:
    """Raises `NonFiniteLossError` for the first of the losses of steps up to `last_step`."""
    losses = list(losses)
    for step, loss in enumerate(losses, start=last_step + 1 - len(losses)):
        if not np.isfinite(loss):
            raise NonFiniteLossError(step, float(loss))
