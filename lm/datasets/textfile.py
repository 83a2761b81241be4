"""Text from files and uploads, with "\\n" line ends, or a sentence saying what is wrong.

UTF-8 is what is expected; UTF-16 and UTF-32 are recognised by their byte order marks. Old e-texts
are in encodings that nothing in the file names, most of them in Windows-1252 or its part Latin-1:
that one is assumed where the text makes sense in it, else what charset-normalizer takes for
likeliest. A person who knows better names the encoding.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lm.base.files import PROJECT, replace_bytes
from lm.base.wording import counted
from lm.datasets.encodings import GUESS, REPLACING, UTF_8
from lm.datasets.spec import DatasetError, Original

MAX_BYTES = 100_000_000
DAMAGE_BYTES = 500_000  # looked at before and after the first byte that is not UTF-8
WINDOWS_1252 = "cp1252"
MARKS = (  # UTF-32's first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
KINDS = (  # files that people take for texts, by their first bytes
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive, as .docx, .odt and .epub files are"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
MARK, REPLACEMENT = "\ufeff", "\ufffd"
LINE_CHARS = 60  # of a line that is quoted


class DamagedTextError(DatasetError):
    """A file that was UTF-8, but for some bytes; `encoding=utf-8-replace` reads it."""


@dataclass(frozen=True)
class Reading:
    """What was read from a file."""

    text: str
    original: Original | None = None  # the file, if it is not UTF-8
    notes: tuple[str, ...] = ()  # sentences: what was assumed, changed or found


def read_text_file(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises `DatasetError` in one sentence, whatever is wrong."""
    reading = read_any_text(path)
    if reading.original is not None:
        raise DatasetError(f"{path} must be UTF-8; it looks like {reading.original.encoding}.")
    return reading.text


def read_any_text(path: str | Path, encoding: str = GUESS) -> Reading:
    """Read a file in one of `ENCODINGS`. Raises `DatasetError`."""
    path = Path(path).expanduser()
    return decode_text(_read(path), str(path), encoding)


def decode_text(content: bytes, name: str, encoding: str = GUESS) -> Reading:
    """The text of a file's bytes.

    CRLF and CR become LF, and a byte order mark is dropped. Raises `DatasetError`.
    """
    _check_size(len(content), name)
    _check_kind(content, name)
    notes: list[str] = []
    try:
        if encoding == GUESS and (marked := _marked_encoding(content)) is not None:
            encoding = marked
            notes.append(f"The file is {_for_people(marked)}, as its byte order mark says.")
        if encoding == GUESS:
            _check_nul_bytes(content, name)
            raw, encoding = _guess(content, name, notes)
        else:
            raw = _decoded(content, encoding)
    except UnicodeDecodeError as error:
        raise _not_in(name, encoding, error) from None
    if (place := raw.find("\0")) >= 0:
        raise DatasetError(
            f"{name}, read as {_for_people(encoding)}, holds a NUL character in line "
            f"{_line_number(raw[:place]):,}, which no text does. Remove it, or choose another "
            "encoding."
        )
    text = _normalised(raw)
    original = None
    if encoding != UTF_8:
        original = Original(_for_people(encoding), hashlib.sha256(content).hexdigest())
    return Reading(text, original, (*notes, *_changes(raw, encoding), *_odd_characters(text)))


def save_text(name: str, content: bytes, folder: Path | None = None, encoding: str = GUESS) -> Path:
    """Keep an uploaded text, checked and as it came, for runs that name it; return its path.

    The name carries the content's hash, so a file that a run has used never changes.
    """
    cut_text(decode_text(content, name, encoding).text, name)
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


CUT = "The last tenth of the text is its test part, the tenth before that its validation part."


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


# --- what is no text ----------------------------------------------------------------------------


def _check_size(n_bytes: int, name: str) -> None:
    if n_bytes > MAX_BYTES:
        raise DatasetError(
            f"{name} has {n_bytes:,} bytes; at most {MAX_BYTES:,} can be read, because loading a "
            "text takes about 15 times its size of memory. Cut it shorter."
        )


def _check_kind(content: bytes, name: str) -> None:
    for beginning, kind in KINDS:
        if content.startswith(beginning):
            raise DatasetError(f"{name} is {kind}. Give the text that is in it as a .txt file.")


def _check_nul_bytes(content: bytes, name: str) -> None:
    """Refuse NUL bytes, where no mark and no person says that they are halves of characters."""
    first = content.find(b"\0")
    if first < 0:
        return
    at_end = len(content) - len(content.rstrip(b"\0"))
    if first == len(content) - at_end:
        raise DatasetError(
            f"{name} ends in {counted(at_end, 'NUL byte')}, from offset {first:,} on, as a file "
            "does whose writing broke off. Remove them."
        )
    if (encoding := _wide_encoding(content)) is not None:
        raise DatasetError(
            f"{name} looks like {_for_people(encoding)} without a byte order mark: there is a NUL "
            f"byte at offset {first:,}. Choose the encoding {encoding}."
        )
    raise DatasetError(
        f"{name} is not a text file: there is a NUL byte at offset {first:,}. Give a text as a "
        ".txt file."
    )


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 or UTF-32 of mostly Latin letters, of which a half or three quarters are NULs."""
    shares = [content[place::4].count(0) * 4 / len(content) for place in range(4)]
    pattern = "".join("0" if share > 0.7 else "x" for share in shares)
    return {
        "x0x0": "utf-16-le",
        "0x0x": "utf-16-be",
        "x000": "utf-32-le",
        "000x": "utf-32-be",
    }.get(pattern)


# --- encodings ----------------------------------------------------------------------------------


def _marked_encoding(content: bytes) -> str | None:
    """The encoding that a byte order mark tells; UTF-8 needs none."""
    return next((encoding for mark, encoding in MARKS if content.startswith(mark)), None)


def _decoded(content: bytes, encoding: str) -> str:
    if encoding == REPLACING:
        return content.decode(UTF_8, "replace")
    return content.decode(encoding)


def _not_in(name: str, encoding: str, error: UnicodeDecodeError) -> DatasetError:
    """A text that is not in the encoding that a person or its first bytes name."""
    line = _line_number(error.object[: error.start].decode(encoding, "replace"))
    return DatasetError(
        f"{name} is not {_for_people(encoding)}: it breaks in line {line:,}, at offset "
        f"{error.start:,}. Choose another encoding, or save it as UTF-8."
    )


def _guess(content: bytes, name: str, notes: list[str]) -> tuple[str, str]:
    """A text without a mark, and its encoding; `notes` gets a sentence about what was assumed.

    Damaged UTF-8 is refused rather than read as something else. Raises `DatasetError`.
    """
    try:
        return content.decode(UTF_8), UTF_8
    except UnicodeDecodeError as error:
        if _is_damaged_utf8(content, error):
            raise _damaged(content, name, error) from None
        start = error.start
    from charset_normalizer import from_bytes

    best = from_bytes(content, cp_isolation=[WINDOWS_1252]).best() or from_bytes(content).best()
    try:
        if best is not None:  # what was looked at is a part of a long text
            raw = content.decode(best.encoding)
            line = _line_at(raw, content[:start].decode(best.encoding, "replace"))
            notes.append(
                f"The file is not UTF-8; it is read as {_for_people(best.encoding)}. The first "
                f"line that this decides is {line}. If that looks wrong, choose another encoding."
            )
            return raw, best.encoding
    except UnicodeDecodeError:
        pass
    raise DatasetError(
        f"{name} is not UTF-8, from offset {start:,} on, and makes no sense in any other "
        "encoding. If it is a text, choose its encoding."
    )


def _is_damaged_utf8(content: bytes, error: UnicodeDecodeError) -> bool:
    """Whether the text was UTF-8: cut inside a character, or more of it whole than broken."""
    if error.end == len(content) and error.end - error.start > 1:
        return True
    near = content[max(0, error.start - DAMAGE_BYTES) : error.start + DAMAGE_BYTES]
    text = near.decode(UTF_8, "surrogateescape")
    beyond_ascii = re.findall(r"[^\0-\x7f]", text)
    n_broken = sum("\udc80" <= character <= "\udcff" for character in beyond_ascii)
    return n_broken * 2 < len(beyond_ascii)


def _damaged(content: bytes, name: str, error: UnicodeDecodeError) -> DamagedTextError:
    line = _line_number(content[: error.start].decode(UTF_8))
    broken = " ".join(f"0x{byte:02X}" for byte in content[error.start : error.end])
    bytes_of = f"byte{'s'[: error.end - error.start > 1]} {broken} at offset {error.start:,}"
    cure = f"choose the encoding {REPLACING}, which reads {REPLACEMENT} there"
    if error.end == len(content):
        return DamagedTextError(
            f"{name} is UTF-8 that ends inside a character: line {line:,} breaks off after "
            f"{bytes_of}. Get the whole file, or {cure}."
        )
    replaced = content.decode(UTF_8, "replace").count(REPLACEMENT)
    n_more = replaced - content.count(REPLACEMENT.encode()) - 1
    more = f", nor do those at {counted(n_more, 'other place')}" if n_more else ""
    return DamagedTextError(
        f"{name} is damaged UTF-8: in line {line:,} {bytes_of} belongs to no character{more}. "
        f"Mend it, or {cure}."
    )


def _for_people(encoding: str) -> str:
    """An encoding as editors name it: "Windows-1252", "UTF-16"."""
    if encoding == REPLACING:
        return "UTF-8, damaged"
    spelled = re.sub(r"^(cp|windows-)(125\d)$", r"Windows-\2", encoding.replace("_", "-"))
    return spelled.upper() if spelled.startswith("utf") else spelled


# --- what is said about a text ------------------------------------------------------------------


def _changes(raw: str, encoding: str) -> Iterator[str]:
    """What a text has no more, now that its line ends are "\\n" and its mark is gone."""
    if raw.startswith(MARK) and encoding == UTF_8:  # that of UTF-16 is a part of the encoding
        yield "Its byte order mark is left out."
    pairs = raw.count("\r\n")
    single = raw.count("\r") - pairs
    for n_ends, kind in ((pairs, "CR LF"), (single, "CR")):
        if n_ends:
            yield f"{counted(n_ends, 'line end')} of {kind} became LF."


def _odd_characters(text: str) -> Iterator[str]:
    """Characters that a text should not have, and that a model would learn."""
    if n := text.count(REPLACEMENT):
        yield (
            f"The character {REPLACEMENT} (U+FFFD) stands {counted(n, 'time')} for something that "
            f"was lost, first in line {_line_number(text[: text.find(REPLACEMENT)]):,}."
        )
    if n := text.count(MARK):
        yield (
            f"A byte order mark (U+FEFF), which nobody sees, stands inside the text "
            f"{counted(n, 'time')}, first in line {_line_number(text[: text.find(MARK)]):,}; a "
            "model learns it as a letter."
        )


def _normalised(text: str) -> str:
    return text.removeprefix(MARK).replace("\r\n", "\n").replace("\r", "\n")


def _line_number(before: str) -> int:
    return _normalised(before).count("\n") + 1


def _line_at(raw: str, before: str) -> str:
    """The line of a text that goes on after `before`: "line 3, “Der Bär läuft …”"."""
    number, column = _line_number(before), len(_normalised(before).rpartition("\n")[2])
    line = re.split(r"[\r\n]", raw[len(before) - column :], maxsplit=1)[0]
    start = max(0, min(column - LINE_CHARS // 2, len(line) - LINE_CHARS))
    quoted = line[start : start + LINE_CHARS].strip()
    left, right = "… " if start else "", " …" if start + LINE_CHARS < len(line) else ""
    return f"line {number:,}, “{left}{quoted}{right}”"
