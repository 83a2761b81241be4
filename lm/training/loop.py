"""The training loop: an engine takes the steps, and records say how they went. No I/O."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Sequence

import numpy as np
import torch
from torch import Tensor

from lm.base.records import StepRecord
from lm.training.engines.eager import Eager, Results

RECORDS_PER_RUN = 500  # enough for any chart, and few enough to keep a run's folder small
FIRST_RECORDS = 50  # the first steps have one each, so that a long run has a curve at once


class NonFiniteLossError(ArithmeticError):
    """The loss of a step is infinite or not a number."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"The loss became {loss} at step {step}. Lower the learning rate, or clip gradients."
        )


def record_interval(n_steps: int) -> int:
    """Steps between two records, after the first FIRST_RECORDS steps."""
    return -(-n_steps // RECORDS_PER_RUN)


class Training:
    """A training under way."""

    def __init__(self, engine: Eager) -> None:
        self.engine = engine
        self.seconds = 0.0
        self.losses: list[Tensor] = []  # of the steps since the last record

    def run(self, stops: Sequence[int] = ()) -> Generator[list[StepRecord], None, None]:
        """Take the steps that are left.

        Yields after each call of the engine the records of the steps it took, perhaps none; then
        the training may be saved, or left. No call goes beyond the next of `stops` (rising). Raises
        `NonFiniteLossError`, naming the first step whose loss is infinite or not a number.
        """
        engine, n_steps = self.engine, self.engine.plan.n_steps
        with contextlib.closing(engine):
            while engine.step < n_steps:
                stop = next((stop for stop in stops if stop > engine.step), n_steps)
                started_at = time.perf_counter()
                results = engine.take(stop - engine.step)
                yield self._records(results, started_at) if results.learning_rates else []

    def _records(self, results: Results, started_at: float) -> list[StepRecord]:
        """The records of the steps that the engine has just taken."""
        plan, n = self.engine.plan, len(results.learning_rates)
        steps = range(self.engine.step + 1 - n, self.engine.step + 1)
        every = record_interval(plan.n_steps)
        recorded = [s for s in steps if s <= FIRST_RECORDS or s % every == 0 or s == plan.n_steps]
        norms = results.norms.tolist() if recorded else []  # the only wait for the device
        seconds_per_step = (time.perf_counter() - started_at) / n
        records: list[StepRecord] = []
        for i, step in enumerate(steps):
            self.seconds += seconds_per_step
            self.losses.append(results.losses[i])
            if step in recorded:
                record = StepRecord(
                    step=step,
                    tokens=plan.tokens_at(step),
                    flops=plan.flops_at(step).total,
                    seconds=self.seconds,
                    train_loss=self._mean_loss(step),
                    learning_rate=results.learning_rates[i],
                    grad_norm=norms[i],
                )
                records.append(record)
                self.losses = []
        return records

    def _mean_loss(self, step: int) -> float:
        losses = torch.stack(self.losses).tolist()
        for i, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise NonFiniteLossError(step + 1 - len(losses) + i, loss)
        return float(np.mean(losses))

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that a later step or record depends on."""
        losses = {"losses": torch.stack(self.losses)} if self.losses else {}
        seconds = torch.tensor(self.seconds, dtype=torch.float64)
        return {**self.engine.tensors(), **losses, "seconds": seconds}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `tensors` gave. Raises ValueError or KeyError if it does not fit."""
        self.engine.load_tensors(tensors)
        self.seconds = float(tensors["seconds"])
        device = next(self.engine.model.parameters()).device
        self.losses = list(tensors["losses"].to(device)) if "losses" in tensors else []
