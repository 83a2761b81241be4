"""Changing a run: the one process that holds the lock of its folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, get_args

from filelock import FileLock, Timeout

from lm.base.checked import JsonError, JsonObject, parse_json
from lm.base.files import replace_bytes, replace_json, replacing
from lm.base.records import Sample, StepRecord
from lm.runs.errors import RunBusyError, RunNotFoundError, ShippedRunError
from lm.runs.run import Request, Run, refusals_explained, timestamp
from lm.runs.status import Status

SECONDS_BETWEEN_STATUS_WRITES = 0.25
LOCK_SECONDS = 1.0  # a reader that asks whether a run is live holds its lock for an instant

Write = Callable[[Path], object]  # puts the content of a file into the file at a path


class RunWriter:
    """The one process that changes a run: it holds the lock of the folder from entry to exit."""

    def __init__(self, run: Run) -> None:
        if run.shipped:
            raise ShippedRunError(f"{run.name} came with the program and is not changed.")
        self.run = run
        self.path = run.path
        self.status = run.status
        self._lock = FileLock(self.path / "lock", timeout=LOCK_SECONDS)
        self._written_at = 0.0

    def __enter__(self) -> Self:
        """Raises `RunBusyError` if another process holds the run."""
        if not self.path.is_dir():
            raise RunNotFoundError(f"The run {self.run.run_id} has been deleted.")
        with refusals_explained(self.path):
            try:
                self._lock.acquire()
            except Timeout:
                raise RunBusyError(
                    f"{self.run.name} is being trained by another process; "
                    "pause or stop it there first."
                ) from None
            try:
                self.run = self.run.reload()
                self.status = self.run.status
                for name in ("metrics.jsonl", "samples.jsonl"):
                    _cut_torn_line(self.path / name)
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def append(self, record: StepRecord) -> dict[str, Any]:
        """Add a row to metrics.jsonl, and return it."""
        row = record.to_row()
        self._append("metrics.jsonl", row)
        return row

    def append_sample(self, sample: Sample) -> None:
        """Add a row to samples.jsonl."""
        self._append("samples.jsonl", sample.to_row())

    def update(self, *, now: bool = False, **changes: Any) -> None:
        """Change the status; it reaches the disk a few times a second, or `now`."""
        self.status = replace(self.status, **changes)
        if now or self.due:
            self.status = replace(self.status, updated_at=timestamp())
            with refusals_explained(self.path):
                replace_json(self.path / "status.json", self.status.to_dict())
            self._written_at = time.monotonic()

    def receive(self, rows: Mapping[str, bytes], files: Mapping[str, bytes]) -> None:
        """Take over what another machine wrote to its copy of this run.

        `rows` are whole lines to append to files of JSON lines; `files` replace what is there,
        the status last, so that it never speaks of a checkpoint that is not here.
        """
        with refusals_explained(self.path):
            for name, content in files.items():
                if name != "status.json":
                    replace_bytes(self.path / name, content, durable=True)
            for name, lines in rows.items():
                self._append_lines(name, lines)
        if "status.json" in files:
            self.status = Status.from_dict(parse_json(files["status.json"]))
            self.update(pid=os.getpid() if self.status.state == "running" else None, now=True)
            if self.status.state == "complete":
                self._forget_training_state()

    @property
    def due(self) -> bool:
        """Whether the status on disk is old enough to be written again."""
        return time.monotonic() - self._written_at >= SECONDS_BETWEEN_STATUS_WRITES

    def checkpoint(self, step: int, weights: Write, training_state: Write) -> None:
        """Replace both safetensors files, then say so in the status.

        `weights` and `training_state` write one each, the first before the second is asked for:
        both at once would take as much memory again as the training.

        The training state holds all that is needed to go on, so its replacement is the moment
        from which the run resumes at `step`; before it the run is as it was.
        """
        with refusals_explained(self.path):
            for name, write in (
                ("model.safetensors", weights),
                ("training_state.safetensors", training_state),
            ):
                with replacing(self.path / name, durable=True) as file:
                    write(Path(file.name))
        self.update(checkpoint_step=step, now=True)

    def complete(self, **results: Any) -> None:
        """Say that the run is complete; what it would go on from goes, being most of its size."""
        self.update(state="complete", pid=None, now=True, **results)
        self._forget_training_state()

    def _forget_training_state(self) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            (self.path / "training_state.safetensors").unlink()

    def take_request(self, since: float) -> Request | None:
        """What `Run.request` left for this run after the time `since`, once."""
        path = self.path / "control.json"
        if not path.exists():  # asked after every step: no more than a stat
            return None
        try:
            values = JsonObject(parse_json(path.read_bytes()))
            path.unlink()
            asked: Request = values.one_of("request", get_args(Request))
            return asked if values.number("time") >= since else None
        except (OSError, JsonError):
            return None

    def _append(self, name: str, row: dict[str, Any]) -> None:
        with refusals_explained(self.path):
            self._append_lines(
                name, json.dumps(row, allow_nan=False, separators=(",", ":")).encode() + b"\n"
            )

    def _append_lines(self, name: str, lines: bytes) -> None:
        with (self.path / name).open("ab", buffering=0) as file:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cut_torn_line(path: Path) -> None:
    """Drop what a crash left of an unfinished last line: it never was a row."""
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
