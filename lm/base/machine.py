"""The machine that this program runs on."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from functools import cache

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs] - it has none


def n_cores() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def n_native_threads(pid: int) -> int | None:
    """Threads of a process as the system counts them; None where it does not tell.

    Python's count leaves out those of C libraries, such as the pool of OpenMP, which do not exist
    any more in a fork of the process.
    """
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return None


def die_with_parent() -> None:
    """Let the system kill this process when the one that forked it ends. Linux; nothing elsewhere.

    It needs no cooperation, so it also ends a process that hangs.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:  # it ended just before
            os._exit(1)


@cache
def use_one_blas_thread() -> None:
    """Hold NumPy's BLAS to one thread: for entry points, whose process writes text.

    A product of microseconds gains nothing from a second processor and loses much where others
    want it.
    """
    threadpool_limits(1, user_api="blas")
