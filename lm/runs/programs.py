"""Compiled programs on disk, so that a shape is compiled once on a machine.

A program is found by all that it depends on, without tracing anything: the shapes and settings that
are built into it, the versions of what made it, the sources that define it, and the processor. A
file that is damaged counts as absent.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
from collections.abc import Callable, Generator
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from lm.base.files import PROJECT, replace_bytes
from lm.runs.config import RunConfig

MOST_BYTES = 500_000_000
SOURCES = ("architectures", "base", "training", "updates")  # folders of `lm` that define a step
_SUFFIX, _LOCK = ".xla", ".lock"
_DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    """Where programs are: `LM_CACHE`, or `.cache` in the project's folder."""
    return Path(os.environ.get("LM_CACHE") or PROJECT / ".cache")


def name(config: RunConfig, vocab_size: int, n_threads: int) -> str:
    """The name of a run's program: all that is built into it, and nothing that may change."""
    training = config.training
    what = {
        "model": config.model.model_dump(mode="json"),
        "vocab_size": vocab_size,
        "threads": n_threads,
        "shape": (training.batch_size, config.sequence_length),
        "objective": training.objective,
        "z_loss": training.z_loss,
        "optimizer": training.optimizer,
        "table_update": training.table_update,
        "momentum": bool(training.momentum),
    }
    return hashlib.sha256(json.dumps({**what, **here()}, sort_keys=True).encode()).hexdigest()


def has(name: str) -> bool:
    """Whether a program is there; it may be damaged."""
    return (folder() / (name + _SUFFIX)).exists()


def load(name: str) -> bytes | None:
    """A program, or None where there is none that is sound."""
    path = folder() / (name + _SUFFIX)
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    digest, program = kept[:_DIGEST], kept[_DIGEST:]
    if hashlib.sha256(program).digest() != digest:
        return None
    with contextlib.suppress(OSError):
        path.touch()  # the programs that were used last are kept
    return program


def save(name: str, program: bytes) -> None:
    """Keep a program, and of all no more than fit. A disk that cannot be written keeps none."""
    with contextlib.suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        path = folder() / (name + _SUFFIX)
        replace_bytes(path, hashlib.sha256(program).digest() + program, shared=True)
        _keep_at_most(MOST_BYTES)


@contextlib.contextmanager
def making(name: str) -> Generator[Callable[[], bool], None, None]:
    """A function that says, once nobody else makes this program any more, that it is ours to make.

    Asked again and again while it says no. Where nothing can be written, it says yes.
    """
    with contextlib.suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder() / (name + _LOCK))

    def ours() -> bool:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError:
            return True
        return True

    try:
        yield ours
    finally:
        lock.release()


def size() -> tuple[int, int]:
    """How many programs there are, and their bytes."""
    sizes = [n_bytes for _, n_bytes, _ in _found()]
    return len(sizes), sum(sizes)


def clear() -> tuple[int, int]:
    """Remove all programs: how many there were, and their bytes."""
    for path in folder().glob(f"*{_LOCK}"):
        with contextlib.suppress(OSError):
            path.unlink()
    return _keep_at_most(0)


def _keep_at_most(n_bytes: int) -> tuple[int, int]:
    """Remove the programs that were used longest ago: how many, and their bytes."""
    found = _found()
    kept = sum(size for _, size, _ in found)
    count = removed = 0
    for _, size, path in sorted(found):
        if kept <= n_bytes:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            count, removed = count + 1, removed + size
        kept -= size
    return count, removed


def _found() -> list[tuple[float, int, Path]]:
    """When each program was last used, its bytes, and its file."""
    found: list[tuple[float, int, Path]] = []
    for path in folder().glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    return found


@functools.cache
def here() -> dict[str, str]:
    """What a program depends on besides what it computes."""
    versions = {name: version(name) for name in ("torch", "jax", "jaxlib")}
    sources = hashlib.sha256()
    for name in SOURCES:
        for path in sorted((PROJECT / "lm" / name).rglob("*.py")):
            sources.update(path.read_bytes())
    return {**versions, "sources": sources.hexdigest(), "processor": _processor()}


def _processor() -> str:
    """The kind of processor, with the instructions that it has."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags"))}))
    return f"{platform.machine()} {platform.processor()} {platform.node()}"
