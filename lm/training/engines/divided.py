"""Steps whose rows are divided among processes.

Threads of one process have to meet after every operation, thousands of times a second. While they
wait they either spin, which takes the core from those they wait for, or sleep, and to be woken
takes longer than many an operation. Processes meet once per step. They are forked: so they begin
with all that this process has, share its parameters, and leave their gradients in shared memory.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from lm.architectures.shared.model import LanguageModel
from lm.base.machine import die_with_parent
from lm.runs.config import RunConfig
from lm.training.engines.eager import Eager, Results
from lm.updates.table_rule import TouchedRows

CACHE_LINE = 64  # bytes


class HelperError(RuntimeError):
    """A process that computed a part of the gradients has ended or failed."""


def can_fork(device: torch.device) -> bool:
    """Whether processes may train together. torch forks well where it has no accelerator."""
    no_accelerator = device.type == "cpu" and not torch.accelerator.is_available()
    return sys.platform == "linux" and no_accelerator


class Divided(Eager):
    """Takes steps in `n_processes` processes. As many always give the same bits.

    This one computes the first part of a step's rows, and helpers, which live from the first step
    until `close`, the others. A step raises `HelperError` if one of them fails.
    """

    def __init__(
        self, model: LanguageModel, config: RunConfig, token_ids: Tensor, n_processes: int
    ) -> None:
        super().__init__(model, config, token_ids)
        self._n_parts = min(n_processes, config.training.batch_size)
        self._helpers: list[_Helper] | None = None

    def take(self, most: int) -> Results:
        if self._helpers is None:
            self._fork()
        return super().take(most)

    def close(self) -> None:
        for helper in self._helpers or ():
            helper.end()
        self._helpers = None

    def part(self, step: int, i: int) -> Tensor | None:
        """Leave the gradients of part i in the parameters: its share of the loss, None for no rows.

        Parts are cut from the end: where rows are few, the first part has some.
        """
        n_rows, left = self.plan.shape_at(step)[0], self._n_parts - i
        rows = range(n_rows * (left - 1) // self._n_parts, n_rows * left // self._n_parts)
        return self._gradients_of_rows(step, rows, i) if rows else None

    def _gradients(self, step: int) -> Tensor:
        helpers = self._helpers or []
        for helper in helpers:
            helper.begin(step)
        loss = self.part(step, 0)
        assert loss is not None, "The first part of a batch has rows."
        for helper in helpers:
            loss = loss + helper.add()
        return loss

    def _fork(self) -> None:
        apart = {table.table.weight for table in self._tables}
        parameters = [p for p in self._parameters if p not in apart]
        for parameter, shared in zip(parameters, _shared_like(parameters), strict=True):
            parameter.data = shared.copy_(parameter.data)
        for table in self._tables:
            table.share(_shared_like)
        self._helpers = []
        for i in range(1, self._n_parts):
            self._helpers.append(_Helper(self, parameters, self._tables, i))


def _shared_like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Zeros of these shapes and types in memory that forked processes share."""
    sizes = [-(-tensor.nbytes // CACHE_LINE) * CACHE_LINE for tensor in tensors]
    memory = mmap.mmap(-1, sum(sizes))  # anonymous: not bounded by /dev/shm
    pieces = torch.frombuffer(memory, dtype=torch.uint8).split(sizes)
    return [p[: t.nbytes].view(t.dtype).view(t.shape) for p, t in zip(pieces, tensors, strict=True)]


class _SharedRows:
    """Shared memory in which a helper leaves the rows of a table that it has read."""

    def __init__(self, table: TouchedRows) -> None:
        self.table = table
        gradients, count = table.table.weight.detach(), torch.zeros(1, dtype=torch.long)
        self.ids, self.gradients, self.count = _shared_like([table.last, gradients, count])

    def leave(self) -> None:
        """Write down what this process has read, and the gradients."""
        read = self.table.merged()
        n = len(read.ids)
        assert read.weights.grad is not None
        self.ids.numpy()[:n] = read.ids
        self.gradients[:n] = read.weights.grad
        self.count.fill_(n)

    def take(self) -> None:
        """Add them to those of this process."""
        n = int(self.count)
        self.table.add(self.ids[:n], self.gradients[:n])


class _Helper:
    """A process that computes its part of a step when told to."""

    def __init__(
        self, engine: Divided, parameters: list[Any], tables: Sequence[TouchedRows], index: int
    ) -> None:
        self.engine, self.parameters, self.index = engine, parameters, index
        self.rows = [_SharedRows(table) for table in tables]
        self.gradients = _shared_like(parameters)
        self.connection, theirs = multiprocessing.Pipe()
        with warnings.catch_warnings():  # of other threads, which hold nothing that it needs
            warnings.simplefilter("ignore", DeprecationWarning)  # of Python
            warnings.simplefilter("ignore", RuntimeWarning)  # of jax, which is at rest
            self.pid = os.fork()
        if self.pid == 0:
            self._serve(theirs)
        theirs.close()

    def begin(self, step: int) -> None:
        """Tell it to compute its part of a step."""
        try:
            self.connection.send(step)
        except OSError:
            raise HelperError(self._ended()) from None

    @torch.no_grad()
    def add(self) -> float:
        """Wait for its gradients, add them to the model's, and return its share of the loss."""
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise HelperError(self._ended()) from None
        if isinstance(answer, str):
            raise HelperError(answer)
        if answer is None:
            return 0.0
        gradients = [p.grad for p in self.parameters]  # none is None after a backward
        # it has no public name
        torch._foreach_add_(gradients, self.gradients)  # pyright: ignore[reportPrivateImportUsage]
        for rows in self.rows:
            rows.take()
        return answer

    def end(self) -> None:
        """End the process, and wait until it has ended."""
        self.connection.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _ended(self) -> str:
        return (
            f"Process {self.pid}, which computed a part of each step, has ended. Resume the run; "
            "if memory is short, with training.threads=1."
        )

    # --- in the process itself --------------------------------------------------------------------

    def _serve(self, connection: Connection) -> None:
        """Compute parts until the other end is closed, as it also is when its process dies."""
        try:
            die_with_parent()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            own = connection.fileno()
            os.closerange(3, own)  # among them locks of runs, held for as long as they are open
            os.closerange(own + 1, 65_536)
            torch.set_num_threads(1)
            while True:
                connection.send(self._answer(connection.recv()))
        except (EOFError, OSError):
            pass
        finally:
            os._exit(0)

    def _answer(self, step: int) -> float | str | None:
        """The part's share of the loss, None for no rows, or what went wrong."""
        try:
            loss = self.engine.part(step, self.index)
            if loss is None:
                return None
            for parameter, shared in zip(self.parameters, self.gradients, strict=True):
                shared.copy_(parameter.grad)
                parameter.grad = None
            for rows in self.rows:
                rows.leave()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return float(loss)
