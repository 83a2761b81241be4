"""Runs on disk: one folder each, the single truth for the app, the command line and other tools.

docs/run-format.md describes the files. Any number of processes read a run; the one that holds
the lock of its folder changes it, through `RunWriter`. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from lm.base.files import PROJECT
from lm.base.flops import FlopCount
from lm.base.records import Evaluation, Sample, StepRecord
from lm.base.registry import did_you_mean
from lm.base.settings import ConfigError
from lm.datasets.tokenizers import Tokenizer, tokenizer_from_dict
from lm.runs.config import SCHEMA_VERSION, RunConfig

if TYPE_CHECKING:
    import pandas as pd

State = Literal["created", "running", "paused", "stopped", "complete", "failed", "interrupted"]
Request = Literal["pause", "stop"]

RESUMABLE: tuple[State, ...] = ("created", "paused", "stopped", "interrupted")
SECONDS_BETWEEN_STATUS_WRITES = 0.25
STUDY, SWEEPS = "study", "sweeps"  # in a folder of runs: a folder of the study's, and of files
SHIPPED_ROWS = 120  # of metrics.jsonl, for a run that ships without its weights
_WHOLE_FILES = ("metrics.jsonl", "samples.jsonl")
LOCK_SECONDS = 1.0  # a reader that asks whether a run is live holds its lock for an instant
ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another


class RunError(ValueError):
    """Something about a run on disk; the message is one clear sentence, or two."""


class RunNotFoundError(RunError):
    """No run, or more than one, answers to a name."""


class RunBusyError(RunError):
    """Another process holds the run."""


class ShippedRunError(RunError):
    """An attempt to change a run that came with the repository."""


class BrokenRunError(RunError):
    """A folder whose files cannot be read as a run."""


class DiskFullError(RunError):
    """There is no room for what a run writes."""


# --- reading --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a run is: `status.json`."""

    state: State
    step: int = 0
    n_steps: int = 0
    tokens: int = 0
    flops: FlopCount = field(default_factory=FlopCount)
    seconds: float = 0.0  # of training alone
    train_loss: float | None = None  # mean over the last tenth of the rows of metrics.jsonl
    sampled_val_loss: float | None = None
    valid: Evaluation | None = None
    test: Evaluation | None = None
    checkpoint_step: int | None = None
    reason: str | None = None
    device: str | None = None
    pid: int | None = None
    updated_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "flops": self.flops.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Status:
        """Invert `to_dict`; keys that are not known are left out."""
        known = _known(cls, values)
        if "flops" in known:
            known["flops"] = FlopCount(**_known(FlopCount, known["flops"]))
        for part in ("valid", "test"):
            if known.get(part) is not None:
                known[part] = Evaluation(**_known(Evaluation, known[part]))
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as its folder said when it was read. `reload` reads it again."""

    path: Path
    name: str
    created_at: str
    parent_run_id: str | None
    shipped: bool
    config: RunConfig
    facts: dict[str, Any]  # what followed from the config: vocab_size, n_params, n_steps, ...
    status: Status
    state: State  # the status's, or "interrupted": said to be running while nobody holds it

    @property
    def run_id(self) -> str:
        """The folder's name: unique, and never taken apart."""
        return self.path.name

    @property
    def n_params(self) -> int:
        return self.facts["n_params"]

    @property
    def n_steps(self) -> int:
        return self.facts["n_steps"]

    @property
    def vocab_size(self) -> int:
        return self.facts["vocab_size"]

    @property
    def resumable(self) -> bool:
        """Whether training can go on in this folder."""
        return self.state in RESUMABLE and not self.shipped

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
    def weights_path(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def training_state_path(self) -> Path:
        return self.path / "training_state.safetensors"

    def reload(self) -> Run:
        """The run as it is now."""
        return read_run(self.path)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that it was trained with. Raises `BrokenRunError`."""
        try:
            return tokenizer_from_dict(_read_json(self.path / "tokenizer.json"))
        except ValueError as error:
            raise _broken(self.path, f"tokenizer.json: {error}") from None

    def rows(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl in the order of steps, each step once."""
        return _read_rows(self.path / "metrics.jsonl", StepRecord)

    def metrics(self) -> pd.DataFrame:
        """One row per recorded step, with the columns of `StepRecord`."""
        return _frame(self.rows(), StepRecord)

    def samples(self) -> pd.DataFrame:
        """Texts written along the way, with the columns of `Sample`."""
        return _frame(_read_rows(self.path / "samples.jsonl", Sample), Sample)

    def request(self, request: Request) -> None:
        """Ask whoever trains this run to pause or stop after the step it is at."""
        _replace(self.path / "control.json", {"request": request, "time": time.time()}, shared=True)


def read_run(path: Path) -> Run:
    """Read the run in folder `path`. Raises `BrokenRunError` if its files are not those of one."""
    config = _read_json(path / "config.json")
    try:
        config = upgrade(config)
        status = Status.from_dict(_read_json(path / "status.json"))
        run_config = RunConfig(
            preset=config["preset"],
            data=config["data"],
            model=config["model"],
            training=config["training"],
        )
        name = config["name"]
        with contextlib.suppress(FileNotFoundError):
            name = json.loads((path / "name.json").read_bytes())["name"]
        return Run(
            path=path,
            name=name,
            created_at=config["created_at"],
            parent_run_id=config.get("parent_run_id"),
            shipped=config.get("shipped", False),
            config=run_config,
            facts=config["facts"],
            status=status,
            state=_state_now(path, status.state),
        )
    except BrokenRunError:
        raise
    except ConfigError as error:
        raise _broken(path, f"config.json: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(path, f"{type(error).__name__} {error}") from None


UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From schema version v: a pure function that gives the config.json of version v + 1."""


def upgrade(config: dict[str, Any]) -> dict[str, Any]:
    """A config.json of any known schema version as one of today's."""
    while (version := config["schema_version"]) != SCHEMA_VERSION:
        if version not in UPGRADES:
            raise ValueError(
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


def _known(record: type, values: dict[str, Any]) -> dict[str, Any]:
    return {item.name: values[item.name] for item in fields(record) if item.name in values}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise _broken(path.parent, f"{path.name} is missing") from None
    except (OSError, ValueError) as error:
        raise _broken(path.parent, f"{path.name} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise _broken(path.parent, f"{path.name} does not hold a JSON object")
    return values


def _broken(path: Path, what: str) -> BrokenRunError:
    return BrokenRunError(f"The run in {path} is damaged: {what.rstrip('.')}.")


def _read_rows(path: Path, record: type) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines by step; of two of one step the later counts.

    A line that a crash left torn is skipped, and so are keys that are not known.
    """
    names = [item.name for item in fields(record)]
    rows: dict[int, dict[str, Any]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            values = json.loads(line)
            rows[values["step"]] = {name: values.get(name) for name in names}
    return [rows[step] for step in sorted(rows)]


def _frame(rows: list[dict[str, Any]], record: type) -> pd.DataFrame:
    import pandas as pd  # 0.3 s, which a worker that trains need not spend

    frame = pd.DataFrame(rows, columns=[item.name for item in fields(record)])
    numbers = {"int": "int64", "float": "float64", "float | None": "float64"}
    types = {item.name: numbers[item.type] for item in fields(record) if item.type in numbers}
    return frame.astype(types)


# --- the store ------------------------------------------------------------------------------


def default_root() -> Path:
    """The folder of runs: $LM_RUNS_DIR, or checkpoints/ of the project."""
    given = os.environ.get("LM_RUNS_DIR")
    return Path(given) if given else PROJECT / "checkpoints"


@dataclass(frozen=True)
class Scan:
    """What a folder of runs holds: the runs, newest first, and by folder what could not be read."""

    runs: list[Run]
    broken: dict[Path, str]


def _copy_halved(source: Path, target: Path) -> None:
    from safetensors.numpy import load_file, save_file  # NumPy, which readers of runs do without

    half = {name: array.astype("float16") for name, array in load_file(source).items()}
    save_file(half, target)


@dataclass(frozen=True)
class RunStore:
    """A folder of runs. Each call looks at the disk; there is no other index."""

    root: Path = field(default_factory=default_root)

    def scan(self) -> Scan:
        """Read every run. A damaged one does not hide the others."""
        runs, broken = [], {}
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if path.name.startswith(".") or path.name in (STUDY, SWEEPS) or not path.is_dir():
                continue
            try:
                runs.append(read_run(path))
            except BrokenRunError as error:
                if path.is_dir() and any(path.iterdir()):  # not deleted meanwhile
                    broken[path] = str(error)
        runs.sort(key=lambda run: run.created_at, reverse=True)
        return Scan(runs, broken)

    def list(self) -> list[Run]:
        """The runs that can be read, newest first."""
        return self.scan().runs

    def get(self, ref: str | Path) -> Run:
        """The run that `ref` means: an id, a name, the beginning of an id, or a path.

        Raises `RunNotFoundError`, naming what comes near, or `BrokenRunError`.
        """
        text = str(ref)
        for path in (self.root / text, Path(text)):
            if text and _holds_run(path):
                return read_run(path if path.name not in ("", "..") else path.resolve())
        runs = self.list()
        found = [run for run in runs if run.name == text]
        found = found or [run for run in runs if text and run.run_id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise RunNotFoundError(
                f"{text!r} could be any of {_listed(run.run_id for run in found)}. "
                "Give more of the id."
            )
        names = {run.run_id for run in runs} | {run.name for run in runs}
        near = did_you_mean(text, names)
        hint = f"Did you mean {near}?" if near else ""
        if not near:
            known = _listed(run.run_id for run in runs)
            hint = f"There are {known}." if runs else "There are no runs yet."
        raise RunNotFoundError(f"No run in {self.root} is called {text!r}. {hint}")

    def create(
        self,
        config: RunConfig,
        *,
        tokenizer: Tokenizer,
        facts: dict[str, Any],
        name: str | None = None,
        parent_run_id: str | None = None,
        run_id: str | None = None,
    ) -> Run:
        """A new run, in state "created". Its folder appears whole or not at all.

        Raises `RunError` if there is a run `run_id` already; one that is not given is drawn.
        """
        stem = f"{config.model.architecture}-{config.data.dataset}"
        run_id = run_id or f"{stem}-{''.join(secrets.choice(ID_ALPHABET) for _ in range(5))}"
        document = {
            "schema_version": SCHEMA_VERSION,
            "run_id": run_id,
            "name": run_id if name is None else _checked_name(name),
            "created_at": _now(),
            "parent_run_id": parent_run_id,
            "shipped": False,
            **config.model_dump(mode="json"),
            "facts": facts,
        }
        status = Status(state="created", n_steps=facts["n_steps"], updated_at=_now())
        with self._new_folder(run_id) as folder:
            _write_json(folder / "config.json", document)
            _write_json(folder / "tokenizer.json", tokenizer.to_dict())
            _write_json(folder / "status.json", status.to_dict())
        return read_run(self.root / run_id)

    def ship(
        self,
        run: Run,
        run_id: str,
        *,
        weights: bool = True,
        halved: bool = False,
        name: str | None = None,
    ) -> Run:
        """Copy a run that is complete, or has failed, to `run_id` as one that comes with the
        repository.

        Its training state stays behind, and nothing changes or deletes the copy any more. git
        carries folders whose name begins with "shipped-". `halved` weights have 16 bits each,
        which changes losses by less than 1e-4 of them. Without `weights` only what it came to
        goes: settings, results, tokenizer, about `SHIPPED_ROWS` rows of metrics, and the last
        sample.
        """
        if run.state not in ("complete", "failed") or not run_id.startswith("shipped-"):
            raise RunError(
                "Only a run that has ended can be shipped, as 'shipped-' and a name. "
                f"Received: state '{run.state}', {run_id!r}."
            )
        document = _read_json(run.path / "config.json")
        document.update(run_id=run_id, name=_checked_name(name or run.name), shipped=True)
        with self._new_folder(run_id) as folder:
            _write_json(folder / "config.json", document)
            _write_json(folder / "status.json", replace(run.status, pid=None).to_dict())
            shutil.copyfile(run.path / "tokenizer.json", folder / "tokenizer.json")
            if weights:
                for file in _WHOLE_FILES:
                    if (run.path / file).exists():
                        shutil.copyfile(run.path / file, folder / file)
                if run.weights_path.exists():
                    copy = _copy_halved if halved else shutil.copyfile
                    copy(run.weights_path, folder / run.weights_path.name)
            else:
                samples = _read_rows(run.path / "samples.jsonl", Sample)[-1:]
                for sample in samples:
                    sample.update(tokens=[], probabilities=[])
                _write_rows(folder / "metrics.jsonl", merged_rows(run.rows(), SHIPPED_ROWS))
                _write_rows(folder / "samples.jsonl", samples)
        return read_run(self.root / run_id)

    def rename(self, run: Run, name: str) -> Run:
        """Give a run another name. Its id stays."""
        if run.shipped:
            raise ShippedRunError(f"{run.name} came with the program and keeps its name.")
        _replace(run.path / "name.json", {"name": _checked_name(name)}, shared=True)
        return run.reload()

    def delete(self, run: Run) -> None:
        """Remove a run's folder. Never a shipped one, never while it is being trained."""
        if run.shipped:
            raise ShippedRunError(f"{run.name} came with the program and is not deleted.")
        if is_locked(run.path):
            raise RunBusyError(f"{run.name} is being trained; stop it before you delete it.")
        grave = run.path.with_name(f".deleted-{run.run_id}")
        os.replace(run.path, grave)  # gone at once for every reader, then piece by piece
        shutil.rmtree(grave, ignore_errors=True)

    def dataframe(self) -> pd.DataFrame:
        """One row per run: its settings as `model.d_model`, its facts and its results."""
        import pandas as pd

        return pd.DataFrame([_flat(run) for run in self.list()])

    @contextlib.contextmanager
    def _new_folder(self, run_id: str) -> Iterator[Path]:
        """A folder to fill, which becomes `run_id` when all is written."""
        final = self.root / run_id
        if final.exists():
            raise RunError(f"There is a run {run_id} in {self.root} already.")
        with _refusal_explained(final):
            self.root.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            try:
                folder.chmod(0o755)
                yield folder
                os.replace(folder, final)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise


def merged_rows(rows: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl, several made one where there are more than `most`.

    Sums stay what they are: a training loss is the mean over all steps since the row before.
    Every row with a validation loss is kept, so a few more than `most` may remain.
    """
    every = math.ceil(len(rows) / most) if rows else 1
    kept, loss, steps, before = [], 0.0, 0, 0
    for number, row in enumerate(rows, 1):
        loss += row["train_loss"] * (row["step"] - before)
        steps += row["step"] - before
        before = row["step"]
        if number % every == 0 or number == len(rows) or row["sampled_val_loss"] is not None:
            kept.append({**row, "train_loss": loss / steps})
            loss, steps = 0.0, 0
    return kept


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps(row, allow_nan=False, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")


def _holds_run(path: Path) -> bool:
    try:
        return (path / "config.json").is_file()
    except (OSError, ValueError):  # not a path at all
        return False


def _checked_name(name: str) -> str:
    name = name.strip()
    if not (1 <= len(name) <= 80 and name.isprintable()):
        raise RunError(f"A name must be 1 to 80 characters on one line. Received: {name!r}.")
    return name


def _listed(names: Iterable[str]) -> str:
    """a, b, c and 4 more"""
    known = list(names)
    more = f" and {len(known) - 5:,} more" if len(known) > 5 else ""
    return ", ".join(known[:5]) + more


def _flat(run: Run) -> dict[str, Any]:
    status, row = run.status, {"run_id": run.run_id, "name": run.name, "state": run.state}
    row |= {"shipped": run.shipped, "created_at": run.created_at}
    row |= {"architecture": run.config.model.architecture, "preset": run.config.preset}
    for part in ("data", "model", "training"):
        settings = getattr(run.config, part).model_dump(mode="json")
        row |= {f"{part}.{name}": value for name, value in settings.items()}
    row |= {name: run.facts.get(name) for name in ("n_params", "n_steps", "vocab_size", "sha256")}
    row |= {"step": status.step, "tokens": status.tokens, "flops": status.flops.total}
    row |= {f"flops_{part}": value for part, value in asdict(status.flops).items()}
    row |= {"seconds": status.seconds, "train_loss": status.train_loss}
    row |= {"sampled_val_loss": status.sampled_val_loss, "reason": run.reason}
    for part, result in (("val", status.valid), ("test", status.test)):
        row[f"{part}_loss"] = result.loss if result else None
        row[f"{part}_bits_per_char"] = result.bits_per_char if result else None
    return row


# --- writing --------------------------------------------------------------------------------


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

    def __enter__(self) -> RunWriter:
        """Raises `RunBusyError` if another process holds the run."""
        if not self.path.is_dir():
            raise RunNotFoundError(f"The run {self.run.run_id} has been deleted.")
        with _refusal_explained(self.path):
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

    def append(self, record: StepRecord) -> None:
        """Add a row to metrics.jsonl."""
        self._append("metrics.jsonl", asdict(record))

    def append_sample(self, sample: Sample) -> None:
        """Add a row to samples.jsonl."""
        self._append("samples.jsonl", asdict(sample))

    def update(self, *, now: bool = False, **changes: Any) -> None:
        """Change the status; it reaches the disk a few times a second, or `now`."""
        self.status = replace(self.status, **changes)
        if now or self.due:
            self.status = replace(self.status, updated_at=_now())
            with _refusal_explained(self.path):
                _replace(self.path / "status.json", self.status.to_dict())
            self._written_at = time.monotonic()

    def receive(self, rows: Mapping[str, bytes], files: Mapping[str, bytes]) -> None:
        """Take over what another machine wrote to its copy of this run.

        `rows` are whole lines to append to files of JSON lines; `files` replace what is there,
        the status last, so that it never speaks of a checkpoint that is not here.
        """
        with _refusal_explained(self.path):
            for name, content in files.items():
                if name != "status.json":
                    _replace_bytes(self.path / name, content, durable=True)
            for name, lines in rows.items():
                self._append_lines(name, lines)
        if "status.json" in files:
            self.status = Status.from_dict(json.loads(files["status.json"]))
            self.update(pid=os.getpid() if self.status.state == "running" else None, now=True)

    @property
    def due(self) -> bool:
        """Whether the status on disk is old enough to be written again."""
        return time.monotonic() - self._written_at >= SECONDS_BETWEEN_STATUS_WRITES

    def checkpoint(self, step: int, weights: bytes, training_state: bytes) -> None:
        """Replace both safetensors files, then say so in the status.

        The training state holds all that is needed to go on, so its replacement is the moment
        from which the run resumes at `step`; before it the run is as it was.
        """
        with _refusal_explained(self.path):
            _replace_bytes(self.path / "model.safetensors", weights, durable=True)
            _replace_bytes(self.path / "training_state.safetensors", training_state, durable=True)
        self.update(checkpoint_step=step, now=True)

    def take_request(self, since: float) -> Request | None:
        """What `Run.request` left for this run after the time `since`, once."""
        path = self.path / "control.json"
        if not path.exists():  # asked after every step: no more than a stat
            return None
        try:
            values = json.loads(path.read_bytes())
            path.unlink()
            return values["request"] if values["time"] >= since else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _append(self, name: str, row: dict[str, Any]) -> None:
        with _refusal_explained(self.path):
            self._append_lines(name, json.dumps(row, allow_nan=False).encode() + b"\n")

    def _append_lines(self, name: str, lines: bytes) -> None:
        with (self.path / name).open("ab", buffering=0) as file:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cut_torn_line(path: Path) -> None:
    """Drop what a crash left of an unfinished last line: it never was a row."""
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _replace(path: Path, values: dict[str, Any], shared: bool = False) -> None:
    """Replace a file of JSON; `shared` where several processes may do so at once."""
    content = (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()
    _replace_bytes(path, content, suffix=secrets.token_hex(4) if shared else "")


def _replace_bytes(path: Path, content: bytes, *, durable: bool = False, suffix: str = "") -> None:
    """Replace a file at one stroke: a reader sees the old content or the new."""
    temporary = path.with_name(f".{path.name}{suffix}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        for patience in range(50, -1, -1):
            try:
                os.replace(temporary, path)
                break
            except PermissionError:  # Windows, while a reader has the file open
                if not patience:
                    raise
                time.sleep(0.02)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _refusal_explained(path: Path) -> Iterator[None]:
    """What a disk refuses, in words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"The disk that holds {path} is full. Nothing that was saved is lost: "
                "free some space, then go on."
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunError(f"{path} cannot be written: {error.strerror}.") from None
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
