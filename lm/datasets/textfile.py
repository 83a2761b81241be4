"""Text from files and uploads: UTF-8 with "\\n" line ends, or a sentence saying what is wrong."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePosixPath

from lm.base.files import PROJECT
from lm.datasets.catalogue import DatasetError

MAX_BYTES = 100_000_000  # loading a text takes about 15 times its size of memory


def decode_text(content: bytes, name: str) -> str:
    """The text of a file's bytes; CRLF and CR become LF, a byte order mark is dropped."""
    if len(content) > MAX_BYTES:
        raise DatasetError(
            f"{name} has {len(content):,} bytes; at most {MAX_BYTES:,} can be read. Cut it shorter."
        )
    if (offset := content.find(b"\0")) >= 0:
        raise DatasetError(
            f"{name} is not a text file: there is a NUL byte at offset {offset:,}. "
            "If it is UTF-16, save it as UTF-8."
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{name} is not valid UTF-8: byte 0x{content[error.start]:02X} at offset "
            f"{error.start:,}. Save it as UTF-8."
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read_text_file(path: str | Path) -> str:
    """The text of a file. Raises `DatasetError` in one sentence, whatever is wrong with it."""
    path = Path(path).expanduser()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(
                f"{path} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} can be read. "
                "Cut it shorter."
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"There is no file {path}.") from None
    except OSError as error:
        raise DatasetError(f"Could not read {path}: {error.strerror or error}.") from None
    return decode_text(content, str(path))


def save_text(name: str, content: bytes, folder: Path | None = None) -> Path:
    """Keep an uploaded text, checked, for runs that name it; return its path.

    The name carries the content's hash, so a file that a run has used never changes.
    """
    cut_text(decode_text(content, name), name)
    folder = folder or PROJECT / "datasets" / "uploads"
    stem = re.sub(r"[^\w.-]+", "_", PurePosixPath(name.replace("\\", "/")).stem).strip("._")[:60]
    path = folder / f"{stem or 'text'}-{hashlib.sha256(content).hexdigest()[:8]}.txt"
    write_atomically(path, content)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises `DatasetError`, for example on a full disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"Could not write {path}: {error.strerror or error}.") from None


def cut_text(text: str, name: str) -> tuple[str, str, str]:
    """Train, valid and test: 80, 10 and 10 % of the characters."""
    if not text:
        raise DatasetError(f"{name} is empty. Give a text of some thousand characters or more.")
    if len(text) < 20:
        raise DatasetError(
            f"{name} has {len(text)} character{'s'[: len(text) > 1]}, too few to split into train, "
            "valid and test. Give a text of some thousand characters or more."
        )
    first, second = len(text) * 8 // 10, len(text) * 9 // 10
    return text[:first], text[first:second], text[second:]
