"""What a run computes with: its device, its threads, and the memory that it keeps."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from functools import cache

import torch

from lm.runs import RunError

MALLOPT_TRIM, MALLOPT_MMAP = -1, -3  # malloc.h: the sizes from which memory is handed back


class DeviceError(RunError):
    """This machine does not have the device."""


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch compute with `n` threads inside the `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def keep_memory() -> None:
    """Keep freed memory for the next step, instead of handing it back to the system.

    Each step frees and takes some 10 MB again; to get its pages anew took a sixth of a step's time
    at nanoGPT's shape. Only glibc can be told so; elsewhere nothing happens.
    """
    for threshold in (MALLOPT_TRIM, MALLOPT_MMAP):
        _tell_glibc("mallopt", threshold, 2**30)


def hand_back_memory() -> None:
    """Give memory that is free now back to the system, of which `keep_memory` keeps all.

    For after work that needed much of it once. Only glibc can be told so.
    """
    _tell_glibc("malloc_trim", 0)


def _tell_glibc(function: str, *arguments: int) -> None:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None)[function](*arguments)


def resolve_device(name: str) -> torch.device:
    """The device that `name` ("auto", "cpu", "cuda" or "mps") stands for.

    "auto" is CUDA where there is one, else the processor: on MPS models this small are slower.
    Raises `DeviceError` for a device that this machine does not have.
    """
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
