"""A run as its folder says: what is read from it, and what those files may hold.

Everything that a reader of runs computes with is checked here, once: a folder is a `Run` whose
numbers are numbers, or a `BrokenRunError` that says what is wrong. docs/run-format.md describes
the files. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import functools
import html
import math
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from filelock import FileLock, Timeout

from lm.architectures import ARCHITECTURES
from lm.base.checked import JsonError, JsonObject, parse_json
from lm.base.files import refusals_as, replace_json
from lm.base.flops import Scale, flops_text
from lm.base.settings import ConfigError
from lm.base.wording import decimal
from lm.datasets.tokenizers import Tokenizer, tokenizer_from_dict
from lm.runs.collection import Collection, PackedFiles, collection_in
from lm.runs.config import SCHEMA_VERSION, RunConfig
from lm.runs.errors import BrokenRunError, DiskFullError, RunError
from lm.runs.plan import plan
from lm.runs.rows import SAMPLE_COLUMNS, STEP_COLUMNS, frame, read_rows
from lm.runs.scale import scale_at
from lm.runs.status import Facts, State, Status

if TYPE_CHECKING:
    import pandas as pd

Request = Literal["pause", "stop"]

TOKENIZER = "tokenizer.json"

RESUMABLE: tuple[State, ...] = ("created", "paused", "stopped", "interrupted")
GUESSING_MARGIN = 1.1  # times ln V: less may be a training that has only just begun
_LONGEST_REASON = 300  # characters of what is wrong with a file


# --- the run ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """A run as its folder said when it was read. `reload` reads it again."""

    path: Path
    name: str
    created_at: str
    parent_run_id: str | None
    shipped: bool
    config: RunConfig
    facts: Facts
    status: Status
    state: State  # the status's, or "interrupted": said to be running while nobody holds it
    files: Files = field(compare=False)

    @property
    def run_id(self) -> str:
        """The folder's name: unique, and never taken apart."""
        return self.path.name

    @property
    def n_params(self) -> int:
        """Parameters, shared ones once."""
        return self.facts.n_params

    @property
    def n_steps(self) -> int:
        """Optimizer updates in all."""
        return self.facts.n_steps

    @property
    def vocab_size(self) -> int:
        """Tokens that the tokenizer tells apart."""
        return self.facts.vocab_size

    @property
    def text_key(self) -> tuple[str, str, str]:
        """Equal for runs on one text, cut alike: their bits per character compare."""
        return self.config.data.dataset, self.config.data.split, self.facts.sha256

    @property
    def comparable_key(self) -> tuple[str, str, str, str, int]:
        """Equal for runs on one text in the same tokens: their losses per token compare."""
        return *self.text_key, self.config.data.tokenizer, self.vocab_size

    @cached_property
    def scale(self) -> Scale:
        """Operations and bytes of the steps that were taken, as `status.flops` is of theirs."""
        facts, status = self.facts, self.status
        if facts.operations and facts.bytes and status.step == facts.n_steps:
            return Scale(operations=facts.operations, bytes=facts.bytes)
        steps = plan(self.config, self.vocab_size, facts.n_train_tokens)
        return scale_at(self.config, self.vocab_size, steps, status.step)

    @property
    def resumable(self) -> bool:
        """Whether training can go on in this folder."""
        return self.state in RESUMABLE and not self.shipped

    @property
    def worse_than_guessing(self) -> bool:
        """Whether its validation loss is clearly above ln V, which it costs to give each of the V
        tokens the same probability."""
        valid = self.status.valid
        return valid is not None and valid.loss > GUESSING_MARGIN * math.log(self.vocab_size)

    @property
    def outcome(self) -> str:
        """Its state in a word or a few: "complete", or "complete, worse than guessing"."""
        return f"{self.state}, worse than guessing" if self.worse_than_guessing else self.state

    @property
    def reason(self) -> str | None:
        """Why the run is not running or complete, as a sentence."""
        if self.state != "interrupted":
            return self.status.reason
        saved = self.status.checkpoint_step
        return (
            (self.status.reason or "The process that trained it ended without a word.")
            + f" It had come to step {self.status.step:,}; "
            + (f"its last checkpoint is of step {saved:,}." if saved else "it had no checkpoint.")
        )

    @property
    def seconds_silent(self) -> float:
        """Seconds since whoever trains this run last gave a sign of progress; 0 if unknown."""
        try:
            written_at = datetime.fromisoformat(self.status.updated_at)
            return (datetime.now(UTC) - written_at).total_seconds()
        except (TypeError, ValueError):  # not a time, or one without its zone
            return 0.0

    @property
    def weights_path(self) -> Path:
        """The weights at the last checkpoint."""
        return self.path / "model.safetensors"

    @property
    def why_no_weights(self) -> str:
        """What to tell whoever wants its weights where there are none: a sentence."""
        if self.state == "failed":
            return f"{self.name} has failed and has no weights. {self.reason or ''}".strip()
        if self.shipped:
            from lm.runs.again import command_to_train

            facts = self.facts
            command = command_to_train(self.config, facts.vocab_size, facts.n_train_tokens)
            return (
                f"{self.name} came with the program as results alone, without weights. To have "
                f"them, train it: {command}"
            )
        if self.state == "complete":
            return (
                f"The weights of {self.name} are not here: its folder has no model.safetensors, as "
                "after a sweep that keeps the weights of the best alone. Train it again."
            )
        at = f"step {self.status.step:,} of {self.n_steps:,}"
        return f"{self.name} has no trained weights yet: it is {self.state} at {at}."

    @property
    def training_state_path(self) -> Path:
        """All that is needed to go on from the last checkpoint."""
        return self.path / "training_state.safetensors"

    def reload(self) -> Run:
        """The run as it is now."""
        return read_run(self.path)

    def document(self, name: str) -> dict[str, Any]:
        """The JSON object in a file of the run, such as "config.json". Raises `BrokenRunError`."""
        return _document(self.path, self.files, name)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that it was trained with. Raises `BrokenRunError`."""
        with _damage_of(self.path, TOKENIZER):
            tokenizer = tokenizer_from_dict(self.document(TOKENIZER))
            if tokenizer.vocab_size != self.vocab_size:
                raise JsonError(
                    f"it has {tokenizer.vocab_size:,} tokens where the run has {self.vocab_size:,}"
                )
            return tokenizer

    def rows(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl in the order of steps, each step once."""
        return self.files.rows()

    def metrics(self) -> pd.DataFrame:
        """One row per recorded step, with the columns of `StepRecord`."""
        return frame(self.rows(), STEP_COLUMNS)

    def samples(self) -> pd.DataFrame:
        """Texts written along the way, with the columns of `Sample`."""
        try:
            rows = read_rows(self.files.read("samples.jsonl"), SAMPLE_COLUMNS)
        except FileNotFoundError:
            rows = []
        for row in rows:  # characters are not stored twice
            if not row["tokens"] and len(row["probabilities"]) == len(row["text"]):
                row["tokens"] = list(row["text"])
        return frame(rows, SAMPLE_COLUMNS)

    def request(self, request: Request) -> None:
        """Ask whoever trains this run to pause or stop after the step it is at."""
        values = {"request": request, "time": time.time()}
        replace_json(self.path / "control.json", values, shared=True)

    def summary(self) -> dict[str, str]:
        """What a person wants to know first, by title."""
        status = self.status
        summary = {
            "Run": self.name,
            "State": f"{self.outcome}, step {status.step:,} of {self.n_steps:,}",
            "Architecture": ARCHITECTURES[self.config.model.architecture].title,
            "Corpus": f"{self.config.data.dataset}, tokenizer {self.config.data.tokenizer}",
            "Parameters": f"{self.n_params:,}",
            "Training FLOPs": flops_text(status.flops.total),
        }
        for title, scored in (("Validation loss", status.valid), ("Test loss", status.test)):
            if scored is not None:
                summary[title] = f"{decimal(scored.loss, 3)} nats per token"
        return summary

    def __repr__(self) -> str:
        summary = self.summary()
        parts = [summary["State"], f"{summary['Training FLOPs']} FLOPs"]
        if "Validation loss" in summary:
            parts.append(f"validation loss {summary['Validation loss']}")
        return f"<Run {self.run_id}: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """A small table, for a notebook."""
        return html_table(None, self.summary().items())


def html_table(
    heading: Sequence[str] | None, rows: Iterable[Sequence[str]], caption: str = ""
) -> str:
    """A table in HTML; what stands in its cells is text and nothing else."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    lines = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    lines += [line(heading, "th")] if heading else []
    lines += [line(row, "td") for row in rows]
    return "<table>" + "".join(lines) + "</table>"


# --- reading ------------------------------------------------------------------------------------


class Files(Protocol):
    """The files of a run: in its folder, or in a row of a collection."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError where the run has none."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl in the order of steps, each step once."""
        ...


@dataclass(frozen=True)
class Folder:
    """The files of a run that has a folder."""

    path: Path

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError where the run has none."""
        return (self.path / name).read_bytes()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl in the order of steps, each step once."""
        try:
            return read_rows(self.read("metrics.jsonl"), STEP_COLUMNS)
        except FileNotFoundError:
            return []


def has_folder(path: Path) -> bool:
    """Whether a run lies in folder `path`."""
    try:
        return (path / "config.json").is_file()
    except (OSError, ValueError):  # not a path at all
        return False


def read_run(path: str | Path) -> Run:
    """Read the run in folder `path` or, where there is none, in the collection beside it.

    Raises `BrokenRunError` if its files are not those of a run.
    """
    path = Path(path)
    if not has_folder(path) and (run := packed_runs(path.parent).get(path.name)):
        return run
    return _read(path, Folder(path))


def packed_runs(folder: Path) -> Mapping[str, Run]:
    """The runs of the collection in a folder, by id. Raises `BrokenRunError`."""
    collection = collection_in(folder)
    return _packed_runs(collection) if collection else {}


@functools.lru_cache(maxsize=8)
def _packed_runs(collection: Collection) -> Mapping[str, Run]:
    return {
        run_id: _read(collection.folder / run_id, PackedFiles(collection, run_id))
        for run_id in collection.rows
    }


def _read(path: Path, files: Files) -> Run:
    config = _document(path, files, "config.json")
    with _damage_of(path, "status.json"):
        status = Status.from_dict(_document(path, files, "status.json"))
    with _damage_of(path, "config.json"):
        given = JsonObject(upgrade(config))
        run_config = RunConfig(
            preset=given.line("preset"),
            data=given.take("data"),
            model=given.take("model"),
            training=given.take("training"),
        )
        return Run(
            path=path,
            name=_later_name(path, files) or given.line("name"),
            created_at=given.line("created_at"),
            parent_run_id=given.optional(given.line, "parent_run_id"),
            shipped=given.optional(given.flag, "shipped") or False,
            config=run_config,
            facts=Facts.from_dict(given.take("facts")),
            status=status,
            state=_state_now(path, status.state),
            files=files,
        )


def _later_name(path: Path, files: Files) -> str | None:
    try:
        content = files.read("name.json")
    except FileNotFoundError:
        return None
    with _damage_of(path, "name.json"):
        return JsonObject(parse_json(content)).line("name")


def _as_version_2(config: dict[str, Any]) -> dict[str, Any]:
    """Version 2 once had tokenizers that runs share; version 1 has none of these."""
    return {**config, "schema_version": 2}


UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _as_version_2,
}
"""From schema version v: a pure function that gives the config.json of version v + 1."""


def upgrade(config: dict[str, Any]) -> dict[str, Any]:
    """A config.json of any schema version as one of today's. Raises `JsonError`."""
    while (version := JsonObject(config).count("schema_version")) != SCHEMA_VERSION:
        if version not in UPGRADES:
            raise JsonError(
                f"its schema_version is {version}; this program reads up to {SCHEMA_VERSION}"
            )
        config = UPGRADES[version](config)
    return config


def _state_now(path: Path, state: State) -> State:
    return "interrupted" if state == "running" and not is_locked(path) else state


def is_locked(path: Path) -> bool:
    """Whether a process is changing the run in folder `path`."""
    if not (path / "lock").exists():
        return False
    try:
        with FileLock(path / "lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder of somebody else's, or on a read-only medium
        return False


def _document(path: Path, files: Files, name: str) -> dict[str, Any]:
    """The JSON object in a file of a run. Raises `BrokenRunError`."""
    try:
        content = files.read(name)
    except FileNotFoundError:
        raise _broken(path, f"{name} is missing") from None
    except OSError as error:
        raise _broken(path, f"{name} cannot be read: {error}") from None
    try:
        values = parse_json(content)
    except JsonError as error:
        raise _broken(path, f"{name} {error}") from None
    if not isinstance(values, dict):
        raise _broken(path, f"{name} does not hold a JSON object")
    return cast(dict[str, Any], values)


@contextlib.contextmanager
def _damage_of(path: Path, file: str) -> Generator[None, None, None]:
    """What a file's content makes fail is a `BrokenRunError` that names the file."""
    try:
        yield
    except (JsonError, ConfigError) as error:
        raise _broken(path, f"{file}: {error}") from None
    except BrokenRunError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        raise _broken(path, f"{file}: {type(error).__name__} {error}") from None
    except (TypeError, ValueError) as error:
        raise _broken(path, f"{file}: {error}") from None


def _broken(path: Path, what: str) -> BrokenRunError:
    what = what.rstrip(".")
    if len(what) > _LONGEST_REASON:
        what = what[:_LONGEST_REASON] + "…"
    return BrokenRunError(f"The run in {path} is damaged: {what}.")


# --- writing ------------------------------------------------------------------------------------


def refusals_explained(path: Path) -> AbstractContextManager[None]:
    """Within, what the disk refuses to write at `path` is a `DiskFullError` or a `RunError`."""
    return refusals_as(path, full=DiskFullError, refused=RunError)


def timestamp() -> str:
    """The time now: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
