"""The gradients of a batch from several processes, each of which takes some of its rows.

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
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn

from lm.base.machine import die_with_parent
from lm.updates.table_rule import TouchedRows

CACHE_LINE = 64  # bytes
Part = Callable[[int, int], Tensor | None]


class HelperError(RuntimeError):
    """A process that computed a part of the gradients has ended or failed."""


def can_fork(device: torch.device) -> bool:
    """Whether processes may train together. torch forks well where it has no accelerator."""
    no_accelerator = device.type == "cpu" and not torch.accelerator.is_available()
    return sys.platform == "linux" and no_accelerator


@contextlib.contextmanager
def in_processes(
    model: nn.Module, n: int, part: Part, tables: Sequence[TouchedRows] = ()
) -> Iterator[Callable[[int], Tensor]]:
    """A function of a step's number that computes its gradients and its loss in `n` processes.

    `part(step, i)` computes the i-th part: it adds the gradients of its share of the loss to the
    model's parameters and returns that share, or None if it has no rows. Part 0 is computed here,
    the others by processes that live as long as the `with` block. As many parts always give the
    same bits. Of `tables`, the gradients are those of the rows that a part has read. The function
    raises `HelperError` if a process fails.
    """
    if n == 1:
        yield lambda step: _present(part(step, 0))
        return
    apart = {table.table.weight for table in tables}
    parameters = [parameter for parameter in model.parameters() if parameter not in apart]
    for parameter, shared in zip(parameters, _shared_like(parameters), strict=True):
        parameter.data = shared.copy_(parameter.data)
    for table in tables:
        table.share(_shared_like)
    helpers = [_Helper(parameters, tables, i, part) for i in range(1, n)]
    try:

        def compute(step: int) -> Tensor:
            for helper in helpers:
                helper.begin(step)
            loss = _present(part(step, 0))
            for helper in helpers:
                loss = loss + helper.add()
            return loss

        yield compute
    finally:
        for helper in helpers:
            helper.end()


def _present(loss: Tensor | None) -> Tensor:
    assert loss is not None, "The first part of a batch has rows."
    return loss


def _shared_like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Zeros of these shapes and types in memory that forked processes share."""
    sizes = [-(-tensor.nbytes // CACHE_LINE) * CACHE_LINE for tensor in tensors]
    memory = mmap.mmap(-1, sum(sizes))  # anonymous: not bounded by /dev/shm
    pieces = torch.frombuffer(memory, dtype=torch.uint8).split(sizes)
    return [p[: t.nbytes].view(t.dtype).view(t.shape) for p, t in zip(pieces, tensors, strict=True)]


class _RowsOfPart:
    """Shared memory in which a process leaves the rows of a table that its part has read."""

    def __init__(self, table: TouchedRows) -> None:
        self.table = table
        gradients, count = table.table.weight.detach(), torch.zeros(1, dtype=torch.long)
        self.ids, self.gradients, self.count = _shared_like([table.last, gradients, count])

    def leave(self) -> None:
        """Write down what this process has read, and the gradients."""
        piece = self.table.merged()
        n = len(piece.ids)
        assert piece.weights.grad is not None
        self.ids.numpy()[:n] = piece.ids
        self.gradients[:n] = piece.weights.grad
        self.count.fill_(n)

    def take(self) -> None:
        """Add them to those of this process."""
        n = int(self.count)
        self.table.add(self.ids[:n], self.gradients[:n])


class _Helper:
    """A process that computes its part of a step when told to."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        tables: Sequence[TouchedRows],
        index: int,
        part: Part,
    ) -> None:
        self.parameters, self.index = parameters, index
        self.rows = [_RowsOfPart(table) for table in tables]
        self.gradients = _shared_like(parameters)
        self.connection, theirs = multiprocessing.Pipe()
        with warnings.catch_warnings():  # of other threads, which hold nothing that it needs
            warnings.simplefilter("ignore", DeprecationWarning)  # of Python
            warnings.simplefilter("ignore", RuntimeWarning)  # of jax, which is at rest
            self.pid = os.fork()
        if self.pid == 0:
            _serve(theirs, self, part)
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
        gradients: Any = [p.grad for p in self.parameters]  # none is None after a backward
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


def _serve(connection: Connection, helper: _Helper, part: Part) -> None:
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
            connection.send(_answer(connection.recv(), helper, part))
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


def _answer(step: int, helper: _Helper, part: Part) -> float | str | None:
    try:
        loss = part(step, helper.index)
        for parameter, shared in zip(helper.parameters, helper.gradients, strict=True):
            if loss is not None:
                assert parameter.grad is not None
                shared.copy_(parameter.grad)
            parameter.grad = None
        for rows in helper.rows:
            if loss is not None:
                rows.leave()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None if loss is None else float(loss)
