"""Files of the project: where they lie, and how one is replaced without a reader noticing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

PROJECT = Path(__file__).resolve().parents[2]

_SECONDS_BETWEEN_TRIES = 0.02
_MOST_TRIES = 50


@contextlib.contextmanager
def replacing(
    path: Path, *, durable: bool = False, shared: bool = False
) -> Generator[BinaryIO, None, None]:
    """A file to write, which takes the place of `path` at one stroke when all is written.

    A reader sees the old content or the new. After an error the old file is as it was, and
    nothing else is left behind.

    Args:
        path: Its folder must exist.
        durable: Wait until the disk has it, so that a power cut keeps one of the two contents.
        shared: Several threads or processes may be replacing the file at once.
    """
    suffix = secrets.token_hex(4) if shared else ""
    temporary = path.with_name(f".{path.name}{suffix}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        for tries_left in range(_MOST_TRIES, -1, -1):
            try:
                os.replace(temporary, path)
                break
            except PermissionError:  # Windows, while a reader has the file open
                if not tries_left:
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def replace_bytes(
    path: Path, content: bytes, *, durable: bool = False, shared: bool = False
) -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(path, durable=durable, shared=shared) as file:
        file.write(content)


def replace_json(
    path: Path, values: Mapping[str, Any], *, durable: bool = False, shared: bool = False
) -> None:
    """Write a JSON object whole or not at all. Raises ValueError for NaN and Infinity."""
    replace_bytes(path, json_bytes(values), durable=durable, shared=shared)


def json_bytes(values: Mapping[str, Any]) -> bytes:
    """A JSON object as people read it. Raises ValueError for NaN and Infinity."""
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()


@contextlib.contextmanager
def refusals_as(
    path: Path, *, full: type[Exception], refused: type[Exception]
) -> Generator[None, None, None]:
    """Raise what a disk refuses to write at `path` as a sentence.

    Args:
        path: What was to be written; the sentence names it.
        full: Raised where there is no room.
        refused: Raised where writing is not allowed.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full(
                f"The disk that holds {path} is full. Nothing that was saved is lost: "
                "free some space, then go on."
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise refused(f"{path} cannot be written: {error.strerror}.") from None
        raise
