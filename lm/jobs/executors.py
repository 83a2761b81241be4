"""Where the runs of a sweep are trained: here, or on the machines of a Ray cluster."""

from __future__ import annotations

from typing import Literal, Protocol

from lm.base.settings import ConfigError
from lm.jobs.queue import JobQueue
from lm.runs import Run

ExecutorName = Literal["local", "ray"]
EXECUTORS: tuple[ExecutorName, ...] = ("local", "ray")


class Executor(Protocol):
    """Trains runs, several at a time, and keeps their folders up to date while it does.

    A run whose process or machine is lost reads as "interrupted" and may be submitted again: it
    goes on from its last checkpoint.
    """

    def submit(self, run: Run) -> None:
        """Train a created or resumable run to its end, when there is room.

        Raises `RunError` if nothing is left to train, or the run is being trained already.
        """

    def pause(self, run: Run) -> None:
        """Let a run write a checkpoint and end; one that waits leaves the queue."""

    def active(self) -> list[str]:
        """Ids of the runs that are being trained."""
        ...

    def waiting(self) -> list[str]:
        """Ids of the runs that wait for room, the next first."""
        ...

    def error(self, run: Run) -> str | None:
        """Why the last attempt to train `run` ended, if it ended in an error."""

    def most_threads(self) -> int:
        """How many threads a run may have: the processors of the largest machine."""
        ...

    def close(self) -> None:
        """End, and start no further run."""


def open_executor(
    name: str, *, workers: int | None = None, ray_address: str | None = None
) -> Executor:
    """An executor that trains `workers` runs at a time (default: as many as there is room for).

    `name` is one of `EXECUTORS`; `ray_address` is for "ray". Raises `ConfigError` for another
    name, and where no cluster answers.
    """
    if name not in EXECUTORS:
        names = ", ".join(EXECUTORS)
        raise ConfigError(f"executor must be one of {names}. Received: {name!r}.")
    if name == "ray":
        from lm.jobs.cluster import RayQueue

        return RayQueue(ray_address, workers)
    return JobQueue(workers=workers)
