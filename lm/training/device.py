"""What a run computes on: its device, its threads, and memory that it keeps."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from functools import cache

import torch

from lm.runs import RunError

MALLOPT_TRIM, MALLOPT_MMAP = -1, -3  # of malloc.h: from how many bytes memory is handed back


class DeviceError(RunError):
    """A device that this machine lacks."""


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Within, torch computes with `n` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def keep_memory() -> None:
    """Keep what is freed for the next step, instead of handing it back to the system.

    A step frees and takes anew some 10 MB and more; faulting in its pages took a sixth of its
    time at nanoGPT's shape. For glibc alone; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for threshold in (MALLOPT_TRIM, MALLOPT_MMAP):
            mallopt(threshold, 2**30)


def resolve_device(name: str) -> torch.device:
    """The device that `name` stands for. "auto" is CUDA where there is one, else the processor:
    models this small are faster there than on MPS. Raises `DeviceError`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[name]:
        names = ", ".join(["auto", *(device for device, here in available.items() if here)])
        raise DeviceError(f"device must be one of {names} on this machine. Received: '{name}'.")
    return torch.device(name)
