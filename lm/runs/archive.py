"""A run as one file, to be shared: its folder, zipped. What comes in is checked before it lands."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from lm.base.checked import JsonObject, parse_json
from lm.base.files import json_bytes
from lm.runs.errors import RunError
from lm.runs.run import TOKENIZER, Run, read_run
from lm.runs.store import LADDER, STUDY, SWEEPS, RunStore

REQUIRED = ("config.json", "status.json", TOKENIZER)
FILES = (
    *REQUIRED,
    "name.json",
    "guess.json",
    "metrics.jsonl",
    "samples.jsonl",
    "model.safetensors",
    "training_state.safetensors",
)
MOST_BYTES = 500_000_000  # unpacked
MOST_ENTRIES = 64
ZIP_BEGINS = b"PK\x03\x04"
LONGEST_HEADER = 10_000_000  # of the weights, bytes
LONGEST_ID = 120  # characters: file systems take 255 bytes


class ArchiveError(ValueError):
    """A file that is not a run; the message is one clear sentence."""


def pack(run: Run) -> bytes:
    """The run as a zipped folder, with its training state only where it can be resumed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            if name == "training_state.safetensors" and not run.resumable:
                continue
            with contextlib.suppress(FileNotFoundError):
                archive.writestr(f"{run.run_id}/{name}", run.files.read(name))
    return buffer.getvalue()


def unpack(content: bytes, store: RunStore) -> Run:
    """Add the run in a zip to the store. Raises `ArchiveError`; then nothing is left behind.

    Only the files of a run are taken, by their names alone, so that no path in the archive can
    lead anywhere; a run of that id that is there already is never replaced.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        if content.startswith(ZIP_BEGINS):
            raise ArchiveError(
                "The zip is not whole: its end is missing. Copy or download it again."
            ) from None
        raise ArchiveError(
            "This is not a zip file. Export a run here to see what one is."
        ) from None
    with archive:
        members = _members(archive)
        store.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".import-", dir=store.root))
        try:
            _extract(archive, members, folder)
            return _land(folder, store)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_ENTRIES:
        raise ArchiveError(f"A run has at most {MOST_ENTRIES} files. Received: {len(infos):,}.")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in info.filename:
            raise ArchiveError(f"The zip holds a path that leads out of it: {info.filename!r}.")
        if path.name in FILES and len(path.parts) <= 2:
            if path.name in members:
                raise ArchiveError(f"The zip holds {path.name} twice; it must hold one run.")
            members[path.name] = info
    missing = [name for name in REQUIRED if name not in members]
    if missing:
        raise ArchiveError(f"The zip is not a run: it has no {missing[0]}.")
    if sum(info.file_size for info in members.values()) > MOST_BYTES:
        raise ArchiveError(f"The run is larger than {MOST_BYTES // 1_000_000} MB unpacked.")
    return members


def _extract(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    left = MOST_BYTES  # what the directory of the zip says is not believed
    for name, info in members.items():
        try:
            with archive.open(info) as source, (folder / name).open("wb") as target:
                while chunk := source.read(1 << 20):
                    left -= len(chunk)
                    if left < 0:
                        raise ArchiveError(
                            f"The run is larger than {MOST_BYTES // 1_000_000} MB unpacked."
                        )
                    target.write(chunk)
        except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
            raise ArchiveError(f"The zip is damaged: {name} cannot be read ({error}).") from None
        except OSError as error:
            raise ArchiveError(f"Could not write the run: {error.strerror or error}.") from None


def _land(folder: Path, store: RunStore) -> Run:
    """Check the files as those of a run, and give it its place."""
    try:
        run = read_run(folder)
        config = run.document("config.json")
        run.tokenizer()
        run.metrics()
        run.samples()
        _check_weights(run)
    except (RunError, ValueError, OSError) as error:
        text = str(error).replace(str(folder), "the zip")
        raise ArchiveError(f"The zip is not a run: {text.rstrip('.')}.") from None
    run_id = config.get("run_id")
    if not (isinstance(run_id, str) and _can_be_a_folder(run_id)):
        raise ArchiveError("The zip is not a run: its run_id cannot be the name of a folder.")
    config["shipped"] = False  # what came later is the user's, and may be deleted
    if (store.root / run_id).exists():
        raise ArchiveError(f"The run {run_id} is here already.")
    config["run_id"] = run_id
    try:
        (folder / "config.json").write_bytes(json_bytes(config))
    except (ValueError, RecursionError):  # in keys that nobody reads: NaN, lists without end
        raise ArchiveError("The zip is not a run: its config.json holds what it cannot.") from None
    folder.chmod(0o755)
    folder.rename(store.root / run_id)
    return store.get(run_id)


def _can_be_a_folder(run_id: str) -> bool:
    """Whether a run may lie under this name in a folder of runs, on any system."""
    return (
        0 < len(run_id) <= LONGEST_ID
        and run_id.isprintable()
        and PureWindowsPath(run_id).name == run_id
        and not run_id.startswith(".")
        and run_id not in (STUDY, LADDER, SWEEPS)
    )


def _check_weights(run: Run) -> None:
    """The header of the weights must fit their file; their shapes are checked on loading."""
    if not run.weights_path.exists():
        return
    size = run.weights_path.stat().st_size
    with run.weights_path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, LONGEST_HEADER):
            raise ValueError("model.safetensors is damaged")
        content = file.read(length)
    header: dict[str, Any] = JsonObject(parse_json(content), "model.safetensors").values
    ends = [_end(entry) for name, entry in header.items() if name != "__metadata__"]
    if max(ends, default=0) != size - 8 - length:
        raise ValueError("model.safetensors is damaged")


def _end(entry: Any) -> int:
    """Where the numbers of a tensor end, as the header says."""
    match entry:
        case {"data_offsets": [int(), int() as end]}:
            return end
        case _:
            raise ValueError("model.safetensors is damaged")
