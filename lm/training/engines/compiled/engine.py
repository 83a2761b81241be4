"""Steps by a compiled program: all but the first ones, and a last one of another shape.

The first ones are PyTorch's own, so that a curve has begun before anything waits for a program.
How many steps one call takes changes no bit of the result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lm.architectures import build_model
from lm.architectures.shared.model import LanguageModel
from lm.runs import programs
from lm.runs.config import RunConfig
from lm.training.device import hand_back_memory, threads
from lm.training.engines.compiled.lowering import NotLoweredError
from lm.training.engines.compiled.program import Program, start
from lm.training.engines.compiled.step import CompiledStep, NotCompiledError
from lm.training.engines.eager import NO_STEPS, Eager, Results

EAGER_STEPS = 4  # the first ones, so that a run has a curve while its program is being made
MOST_STEPS = 64  # in one call
CALL_SECONDS = 0.05  # which one call may take, so that requests are answered soon
# of a step, roughly: a program has room for the steps that fit into a call, and fills it each time
SECONDS_PER_STEP, FLOPS_PER_SECOND = 2e-4, 3e10
WAIT_SECONDS = 0.05


@dataclass(frozen=True)
class _Inputs:
    """What some steps need beside the state, a row for each."""

    steps: range
    arrays: list[np.ndarray]  # (n, …) each, as `CompiledStep.inputs` gives them
    keys: np.ndarray  # (n, 2) for chance
    learning_rates: list[float]


class Compiled(Eager):
    """Takes most steps by a program, which is made or found when it is first needed.

    Between two calls the program has the state; the model and its optimizers get it when they are
    asked for.
    """

    def __init__(
        self, model: LanguageModel, config: RunConfig, token_ids: Tensor, n_threads: int
    ) -> None:
        super().__init__(model, config, token_ids)
        self.name = programs.name(config, model.vocab_size, n_threads)
        seconds = SECONDS_PER_STEP + self.plan.step.total / FLOPS_PER_SECOND
        fitting = max(1, min(MOST_STEPS, int(CALL_SECONDS / seconds)))
        self._most_steps = 2 ** (fitting.bit_length() - 1)
        whole = self.plan.n_steps - (self.plan.last_shape != self.plan.shape)
        self._compiled_steps = range(EAGER_STEPS + 1, whole + 1)
        self._n_threads = n_threads
        self._program: Program | None = None
        self._inputs: _Inputs | None = None  # of the steps that are being taken
        self._next_inputs: _Inputs | None = None
        self._seconds_per_step = 0.0  # lately
        self._model_lags = False
        try:
            example = self._rows(1, 1)[0]
            self.compiled_step = CompiledStep(model, self.optimizers, config, self.plan, example)
        except NotCompiledError as error:
            self.not_compiled = str(error)
        self._preparing = self._prepare()

    def take(self, most: int) -> Results:
        if self.not_compiled or self.step + 1 not in self._compiled_steps:
            self._update_model()
            return super().take(most)
        if self._program is None:
            try:
                next(self._preparing, None)
            except NotCompiledError as error:
                self.not_compiled, self.compiling = str(error), False
            return NO_STEPS
        started_at, first = time.perf_counter(), self.step + 1
        if self._inputs is None or first == self._inputs.steps.stop:
            self._inputs, self._next_inputs = self._next_inputs or self._inputs_from(first), None
            self._program.feed(self._inputs.arrays, self._inputs.keys)
        inputs = self._inputs
        n = min(most, inputs.steps.stop - first)
        if self._seconds_per_step:
            n = max(1, min(n, int(CALL_SECONDS / self._seconds_per_step)))
        places = range(first - inputs.steps.start, first - inputs.steps.start + n)
        self._program.start(places)
        if self._next_inputs is None and inputs.steps.stop < self._compiled_steps.stop:
            self._next_inputs = self._inputs_from(inputs.steps.stop)  # while the program works
        self.compiled_step.note_rows(inputs.arrays, places, first)
        losses, norms = torch.tensor(self._program.results(places)).unbind(1)
        self.step, self._model_lags = self.step + n, True
        self._seconds_per_step = (time.perf_counter() - started_at) / n
        return Results(losses, norms, inputs.learning_rates[places.start : places.stop])

    def _inputs_from(self, first: int) -> _Inputs:
        """For as many steps from `first` on as the program has room for."""
        steps = range(first, min(first + self._most_steps, self._compiled_steps.stop))
        arrays, rates = self.compiled_step.inputs(self._rows(first, len(steps)), steps)
        keys = np.stack([np.full(len(steps), self.training.seed), steps], axis=1)
        return _Inputs(steps, arrays, keys.astype(np.uint32), rates)

    def _rows(self, first: int, n: int) -> Tensor:
        """(n, B, lookback + T + 1), the rows of n steps."""
        rows_per_step, length = self.plan.shape
        rows = self.batches.rows_of((first - 1) * rows_per_step, n * rows_per_step, length)
        return rows.view(n, rows_per_step, -1)

    # --- the state --------------------------------------------------------------------------------

    @property
    def model(self) -> LanguageModel:
        self._update_model()
        return self._model

    def tensors(self) -> dict[str, Tensor]:
        self._update_model()
        return super().tensors()

    def _update_model(self) -> None:
        """Put the program's state into the model and its optimizers, unless they have it."""
        if self._program is not None and self._model_lags:
            self.compiled_step.write(self._program.state(), self.step)
            self._model_lags = False

    # --- the program ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Have the program on disk, in a process that trains nothing."""
        for _ in () if self.not_compiled else self._preparing:
            pass

    def _prepare(self) -> Generator[None, None, None]:
        """Get the program, yielding while it is made.

        Raises `NotCompiledError` for a model with an operator that is not lowered.
        """
        start(self._n_threads)
        program = self._kept()
        if program is None:
            self.compiling = True
            yield
            with programs.making(self.name) as ours:
                while not ours():
                    time.sleep(WAIT_SECONDS)
                    yield
                program = self._kept()  # by whoever has just made it
                if program is None:
                    program = yield from self._compile()
            self.compiling = False
        program.begin(self.compiled_step.begin())
        self._program = program

    def _kept(self) -> Program | None:
        kept = programs.load(self.name)
        if kept is None:
            return None
        try:
            return Program.loaded(kept, self._most_steps)
        except RuntimeError:  # of another build of XLA
            return None

    def _compile(self) -> Generator[None, None, Program]:
        made: list[Program | Exception] = []
        try:
            graph = self.compiled_step.trace()
        except Exception as error:  # whatever an architecture of somebody's own may do
            raise NotCompiledError(_first_line(error)) from error
        hand_back_memory()  # which the trace needed
        step = self.compiled_step
        arguments = (graph, step.shapes(), step.example(), self._most_steps)

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
            raise NotCompiledError(_first_line(result)) from result
        programs.save(self.name, result.to_bytes())
        return result


def _first_line(error: Exception) -> str:
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
    few = {"budget": None, "epochs": None, "steps": EAGER_STEPS + 1}  # on which no program depends
    config = config.replace(training=config.training.replace(**few))
    text = torch.zeros(config.model.lookback + config.sequence_length + 1, dtype=torch.long)
    with threads(1):  # in a forked process others do not start
        Compiled(build_model(config.model, vocab_size), config, text, n_threads).prepare()
