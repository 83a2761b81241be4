"""Text from files and uploads, with "\\n" line ends, or a sentence saying what is wrong.

UTF-8 is what is expected, and UTF-16 is recognised by its byte order mark. Old e-texts are in
encodings that nothing in the file names, most of them in Windows-1252 or its part Latin-1: that
one is assumed where the text makes sense in it, else what charset-normalizer takes for likeliest.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import stat
from pathlib import Path, PurePosixPath

from lm.base.files import PROJECT, replace_bytes
from lm.datasets.spec import DatasetError, Original

MAX_BYTES = 100_000_000
DAMAGE_BYTES = 500_000  # looked at before and after the first byte that is not UTF-8
WINDOWS_1252 = "cp1252"
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text_file(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises `DatasetError` in one sentence, whatever is wrong."""
    text, original = read_any_text(path)
    if original is not None:
        raise DatasetError(f"{path} must be UTF-8; it looks like {original.encoding}.")
    return text


def read_any_text(path: str | Path) -> tuple[str, Original | None]:
    """The text of a file, and what it was taken for if it is not UTF-8. Raises `DatasetError`."""
    path = Path(path).expanduser()
    return decode_text(_read(path), str(path))


def decode_text(content: bytes, name: str) -> tuple[str, Original | None]:
    """The text of a file's bytes, and what they were taken for if they are not UTF-8.

    CRLF and CR become LF, and a byte order mark is dropped. Raises `DatasetError`.
    """
    _check_size(len(content), name)
    encoding = "utf-16" if content.startswith(UTF_16_MARKS) else "utf-8"
    if encoding == "utf-8" and (offset := content.find(b"\0")) >= 0:
        raise DatasetError(
            f"{name} is not a text file: there is a NUL byte at offset {offset:,}. "
            "If it is UTF-16, save it as UTF-8."
        )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise DatasetError(
                f"{name} begins as UTF-16 does, and is not: it breaks at offset {error.start:,}. "
                "Save it as UTF-8."
            ) from None
        encoding = _likeliest_encoding(content, error)
        if encoding is None:
            raise _not_utf8(name, error) from None
        text = content.decode(encoding)
    if encoding == "utf-8":
        return _normalised(text), None
    original = Original(name, _for_people(encoding), hashlib.sha256(content).hexdigest())
    return _normalised(text), original


def save_text(name: str, content: bytes, folder: Path | None = None) -> Path:
    """Keep an uploaded text, checked and as it came, for runs that name it; return its path.

    The name carries the content's hash, so a file that a run has used never changes.
    """
    cut_text(decode_text(content, name)[0], name)
    folder = folder or PROJECT / "datasets" / "uploads"
    stem = re.sub(r"[^\w.-]+", "_", PurePosixPath(name.replace("\\", "/")).stem).strip("._")[:60]
    path = folder / f"{stem or 'text'}-{hashlib.sha256(content).hexdigest()[:8]}.txt"
    _write(path, content)
    return path


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises `DatasetError`, for example on a full disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, content, shared=True)
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


def sha256_of(text: str) -> str:
    """What identifies a text, however its file is encoded."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _read(path: Path) -> bytes:
    """The bytes of a regular file: a device or a pipe might never end."""
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise DatasetError(f"Could not read {path}: it is a folder.")
        if not stat.S_ISREG(about.st_mode):
            raise DatasetError(
                f"Could not read {path}: it is no regular file. Save its text in one."
            )
        _check_size(about.st_size, str(path))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # it may have grown; /proc has files of size 0
    except FileNotFoundError:
        raise DatasetError(f"There is no file {path}.") from None
    except OSError as error:
        raise DatasetError(f"Could not read {path}: {error.strerror or error}.") from None
    _check_size(len(content), str(path))
    return content


def _check_size(n_bytes: int, name: str) -> None:
    if n_bytes > MAX_BYTES:
        raise DatasetError(
            f"{name} has {n_bytes:,} bytes; at most {MAX_BYTES:,} can be read, because loading a "
            "text takes about 15 times its size of memory. Cut it shorter."
        )


def _normalised(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _not_utf8(name: str, error: UnicodeDecodeError) -> DatasetError:
    byte = error.object[error.start]
    return DatasetError(
        f"{name} is not valid UTF-8: byte 0x{byte:02X} at offset {error.start:,}. Save it as UTF-8."
    )


def _likeliest_encoding(content: bytes, error: UnicodeDecodeError) -> str | None:
    """What bytes that are not UTF-8 are most likely in, as Python spells it. None: no text.

    Damaged UTF-8 is refused rather than read as something else.
    """
    if _is_damaged_utf8(content, error):
        return None
    from charset_normalizer import from_bytes

    best = from_bytes(content, cp_isolation=[WINDOWS_1252]).best() or from_bytes(content).best()
    if best is None:
        return None
    try:
        content.decode(best.encoding)  # what was looked at is a part of a long text
    except UnicodeDecodeError:
        return None
    return best.encoding


def _is_damaged_utf8(content: bytes, error: UnicodeDecodeError) -> bool:
    """Whether the text was UTF-8: cut inside a character, or more of it whole than broken."""
    if error.end == len(content) and error.end - error.start > 1:
        return True
    near = content[max(0, error.start - DAMAGE_BYTES) : error.start + DAMAGE_BYTES]
    text = near.decode("utf-8", "surrogateescape")
    beyond_ascii = re.findall(r"[^\0-\x7f]", text)
    n_broken = sum("\udc80" <= character <= "\udcff" for character in beyond_ascii)
    return n_broken * 2 < len(beyond_ascii)


def _for_people(encoding: str) -> str:
    """An encoding as editors name it: "Windows-1252", "UTF-16"."""
    return re.sub(r"^cp(125\d)$", r"Windows-\1", encoding).replace("utf-", "UTF-").replace("_", "-")
