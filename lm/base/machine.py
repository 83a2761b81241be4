"""The machine that this program runs on."""

from __future__ import annotations

import os
from functools import cache

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs] - it has none


def n_cores() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def use_one_blas_thread() -> None:
    """Hold NumPy's BLAS to one thread: for entry points, whose process writes text.

    A product of microseconds gains nothing from a second processor and loses much where others
    want it.
    """
    threadpool_limits(1, user_api="blas")
