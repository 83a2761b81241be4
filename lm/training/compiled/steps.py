"""The steps of a training that a compiled program takes: all but the first, and a shorter last one.

The first ones are PyTorch's own, so that a curve has begun before anything waits for a program.
How many steps one call takes changes no bit of the result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lm.architectures import build_model
from lm.architectures.shared.model import LanguageModel
from lm.runs import programs
from lm.runs.config import RunConfig
from lm.runs.plan import Plan, plan
from lm.training.compiled.lowering import NotLoweredError
from lm.training.compiled.program import Program, start
from lm.training.compiled.step import Step
from lm.training.device import hand_back_memory, threads
from lm.training.loop import Batches, NotCompiledError, TrainingState, loss_of_rows
from lm.updates.optimizers import build_optimizers, set_learning_rate
from lm.updates.schedules import lr_scale

EAGER_STEPS = 4  # the first ones, so that a run has a curve while its program is being made
MOST_STEPS = 64  # in one call
CALL_SECONDS = 0.05  # which one call may take, so that requests are answered soon
# of a step, roughly: a program has room for the steps that fit into a call, and fills it each time
SECONDS_PER_STEP, FLOPS_PER_SECOND = 2e-4, 3e10
WAIT_SECONDS = 0.05


@dataclass(frozen=True)
class _Piece:
    """What some steps need beside the state, a row for each."""

    steps: range
    inputs: list[np.ndarray]
    keys: np.ndarray  # (n, 2)
    rates: list[float]


class CompiledSteps:
    """Takes steps of a training, by a program that is made or found when it is first needed."""

    def __init__(
        self,
        state: TrainingState,
        batches: Batches,
        config: RunConfig,
        plan: Plan,
        n_threads: int,
    ) -> None:
        """Raises `NotCompiledError` where an optimizer cannot be compiled."""
        self.state, self.batches, self.plan, self.n_threads = state, batches, plan, n_threads
        self.training = training = config.training
        self.name = programs.name(config, state.model.vocab_size, n_threads)
        self.compiling = False
        seconds = SECONDS_PER_STEP + plan.step.total / FLOPS_PER_SECOND
        fitting = max(1, min(MOST_STEPS, int(CALL_SECONDS / seconds)))
        self.most_steps = 2 ** (fitting.bit_length() - 1)
        whole = plan.n_steps if plan.last_shape == plan.shape else plan.n_steps - 1
        self.steps = range(EAGER_STEPS + 1, whole + 1)  # which are taken here
        self.step = Step(state.model, state.optimizers, training, self._loss, self._rows(1, 1)[0])
        self._program: Program | None = None
        self._piece: _Piece | None = None  # whose steps are being taken
        self._next: _Piece | None = None
        self._written = 0  # the step whose state the model has
        self._seconds = 0.0  # of one step, lately

    def prepare(self) -> Iterator[None]:
        """Get the program, yielding while it is being compiled.

        Raises `NotCompiledError` for a model with an operator that is not lowered.
        """
        if self._program is not None:
            return
        start(self.n_threads)
        self._program = self._kept()
        if self._program is None:
            self.compiling = True
            yield
            with programs.making(self.name) as ours:
                while not ours():
                    time.sleep(WAIT_SECONDS)
                    yield
                self._program = self._kept()  # by who has just made it
                if self._program is None:
                    yield from self._compile()
            self.compiling = False
        assert self._program is not None
        self._program.begin(self.step.begin())

    def _kept(self) -> Program | None:
        kept = programs.load(self.name)
        if kept is None:
            return None
        try:
            return Program.loaded(kept, self.most_steps)
        except RuntimeError:  # of another build of XLA
            return None

    def _compile(self) -> Iterator[None]:
        made: list[Program | Exception] = []
        try:
            graph = self.step.trace()
        except Exception as error:  # whatever an architecture of somebody's own may do
            raise NotCompiledError(_told(error)) from error
        hand_back_memory()  # which the trace needed
        arguments = (graph, self.step.shapes(), self.step.example(), self.most_steps)

        def compile_it() -> None:
            try:
                made.append(Program.compiled(*arguments))
            except Exception as error:  # to be raised where it is waited for
                made.append(error)

        worker = threading.Thread(target=compile_it, daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(WAIT_SECONDS)
            yield
        hand_back_memory()  # which the compiler needed
        result = made[0]
        if isinstance(result, Exception):
            raise NotCompiledError(_told(result)) from result
        self._program = result
        programs.save(self.name, result.to_bytes())

    def take(self, first: int, most: int) -> tuple[np.ndarray, list[float]]:
        """Take steps from `first` on, `most` at most.

        Their losses and norms of gradients, (n, 2), and their learning rates.
        """
        assert self._program is not None
        if self._piece is None or first == self._piece.steps.stop:
            self._piece, self._next = self._next or self._prepared(first), None
            self._program.feed(self._piece.inputs, self._piece.keys)
        piece = self._piece
        n = min(most, piece.steps.stop - first)
        if self._seconds:
            n = max(1, min(n, int(CALL_SECONDS / self._seconds)))
        offset = first - piece.steps.start
        taken = range(offset, offset + n)
        self._program.start(taken)
        if self._next is None and piece.steps.stop < self.steps.stop:
            self._next = self._prepared(piece.steps.stop)  # while the program is at work
        self.step.took([each[offset : offset + n] for each in piece.inputs], first)
        return self._program.results(taken), piece.rates[offset : offset + n]

    def _prepared(self, first: int) -> _Piece:
        """What the program needs for as many steps from `first` on as it has room for."""
        n = min(self.most_steps, self.steps.stop - first)
        rates: list[float] = []

        def set_rate(step: int) -> None:
            scale = lr_scale(self.training, step, self.plan.n_steps)
            rates.append(set_learning_rate(self.state.optimizers, scale))

        inputs = self.step.inputs(self._rows(first, n), first, set_rate)
        steps = range(first, first + n)
        keys = np.stack([np.full(n, self.training.seed), steps], axis=1).astype(np.uint32)
        return _Piece(steps, inputs, keys, rates)

    def took(self, seconds: float) -> None:
        """Be told how long one step took."""
        self._seconds = seconds

    def write(self, step: int) -> None:
        """Put the state after `step`, the last that was taken, into the model and optimizers."""
        if self._program is not None and self._written != step:
            self.step.write(self._program.state(), step)
            self._written = step

    def _rows(self, first: int, n: int) -> Tensor:
        rows_per_step, length = self.plan.shape
        rows = self.batches.rows_of((first - 1) * rows_per_step, n * rows_per_step, length)
        return rows.view(n, rows_per_step, -1)

    def _loss(self, model: LanguageModel, rows: Tensor) -> Tensor:
        return loss_of_rows(model, rows, self.training.objective, self.training.z_loss)


def _told(error: Exception) -> str:
    """Why a step is not compiled, in a line."""
    if isinstance(error, NotLoweredError):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def make_ready(config: RunConfig, vocab_size: int, n_threads: int) -> None:
    """Have the program of a run on disk before the run is there.

    Raises `NotCompiledError` where there is none.
    """
    if programs.load(programs.name(config, vocab_size, n_threads)) is not None:
        return
    with threads(1):  # in a forked process others do not start
        _make_ready(config, vocab_size, n_threads)


def _make_ready(config: RunConfig, vocab_size: int, n_threads: int) -> None:
    lookback, length = config.model.lookback, config.sequence_length
    text = torch.zeros(lookback + length + 1, dtype=torch.long)
    model = build_model(config.model, vocab_size)
    the_plan = replace(plan(config, vocab_size, len(text)), n_steps=EAGER_STEPS + 1)
    optimizers = build_optimizers(model, config.training, the_plan.n_steps)
    state = TrainingState(model=model, optimizers=optimizers)
    batches = Batches(text, lookback, length, seed=0)
    for _ in CompiledSteps(state, batches, config, the_plan, n_threads).prepare():
        pass
