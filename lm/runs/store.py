"""A folder of runs: finding them, making them, shipping, renaming and deleting them.

The folder is the single truth for the app, the command line and other tools; docs/run-format.md
describes the files. Any number of processes read a run; the one that holds the lock of its folder
changes it, through `lm.runs.writer`. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.base.files import PROJECT, json_bytes, replace_json
from lm.base.registry import did_you_mean
from lm.base.wording import counted, listed
from lm.datasets.tokenizers import Tokenizer
from lm.runs import collection, table
from lm.runs.config import SCHEMA_VERSION, RunConfig
from lm.runs.errors import (
    BrokenRunError,
    RunBusyError,
    RunError,
    RunNotFoundError,
    ShippedRunError,
)
from lm.runs.run import (
    TOKENIZER,
    Run,
    has_folder,
    html_table,
    is_locked,
    packed_runs,
    read_run,
    refusals_explained,
    timestamp,
    upgrade,
)
from lm.runs.status import Facts, Status

if TYPE_CHECKING:
    import pandas as pd

# In a folder of runs: folders of the study's and the ladders' runs, and one of files.
STUDY, LADDER, SWEEPS = "study", "ladder", "sweeps"
_COPIED = (TOKENIZER, "metrics.jsonl", "samples.jsonl")  # files of a run that ships
WEIGHT_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz")  # that others use, too
LONGEST_NAME = 80  # characters
ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another
_MOST_PREVIEWED = 10  # rows of a store's table in a notebook


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
    """Copy weights with 16 bits for each number."""
    # NumPy, which readers of runs do without; safetensors names its arrays' types in part
    from safetensors.numpy import (
        load_file,  # pyright: ignore[reportUnknownVariableType]
        save_file,  # pyright: ignore[reportUnknownVariableType]
    )

    half = {name: array.astype("float16") for name, array in load_file(source).items()}
    save_file(half, target)


@dataclass(frozen=True, init=False, repr=False)
class RunStore:
    """A folder of runs. Each call looks at the disk; there is no other index."""

    root: Path

    def __init__(self, root: str | Path | None = None) -> None:
        """`root` left out: the folder of `default_root`."""
        object.__setattr__(self, "root", default_root() if root is None else Path(root))

    def scan(self) -> Scan:
        """Read every run. A damaged one does not hide the others."""
        runs: list[Run] = []
        broken: dict[Path, str] = {}
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if (
                path.name.startswith(".")
                or path.name in (STUDY, LADDER, SWEEPS)
                or not path.is_dir()
            ):
                continue
            try:
                runs.append(read_run(path))
            except BrokenRunError as error:
                if path.is_dir() and any(path.iterdir()):  # not deleted meanwhile
                    broken[path] = str(error)
        in_folders = {run.run_id for run in runs}
        try:
            packed = packed_runs(self.root)
            runs += [run for run_id, run in packed.items() if run_id not in in_folders]
        except BrokenRunError as error:
            broken[self.root / collection.RUNS] = str(error)
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
            if text and holds_run(path):
                return read_run(path if path.name not in ("", "..") else path.resolve())
        runs = self.list()
        matches = [run for run in runs if run.name == text]
        matches = matches or [run for run in runs if text and run.run_id.startswith(text)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = listed((run.run_id for run in matches), "or", most=5)
            raise RunNotFoundError(f"{text!r} could be any of {ids}. Give more of the id.")
        names = list(dict.fromkeys(run.name for run in runs))
        near = did_you_mean(text, names) or did_you_mean(text, [run.run_id for run in runs])
        hint = f"Did you mean {near!r}?" if near else "There are no runs yet."
        if names and not near:
            hint = f"There {'is' if len(names) == 1 else 'are'} {listed(map(repr, names), most=5)}."
        raise RunNotFoundError(
            _what_else(Path(text)) or f"No run in {self.root} is called {text!r}. {hint}"
        )

    def create(
        self,
        config: RunConfig,
        *,
        tokenizer: Tokenizer,
        facts: Facts,
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
            "created_at": timestamp(),
            "parent_run_id": parent_run_id,
            "shipped": False,
            **config.model_dump(mode="json"),
            "facts": facts.to_dict(),
        }
        status = Status(state="created", n_steps=facts.n_steps, updated_at=timestamp())
        with self._new_folder(run_id) as folder:
            (folder / "config.json").write_bytes(json_bytes(document))
            (folder / TOKENIZER).write_bytes(json_bytes(tokenizer.to_dict()))
            (folder / "status.json").write_bytes(json_bytes(status.to_dict()))
        return read_run(self.root / run_id)

    def ship(self, run: Run, run_id: str, *, halved: bool = False, name: str | None = None) -> Run:
        """Copy a run that has ended, with its weights, as one that comes with the program.

        Its training state stays behind, and nothing changes or deletes the copy any more.
        `halved` weights have 16 bits each, which changes losses by less than 1e-4 of them. A run
        may take its own place.
        """
        document = _shipped_document(run, run_id, name or run.name)
        with self._new_folder(run_id, instead_of=run) as folder:
            (folder / "config.json").write_bytes(json_bytes(document))
            status = replace(run.status, pid=None).to_dict()
            (folder / "status.json").write_bytes(json_bytes(status))
            for file in _COPIED:
                if (run.path / file).exists():
                    shutil.copyfile(run.path / file, folder / file)
            if run.weights_path.exists():
                copy = _copy_halved if halved else shutil.copyfile
                copy(run.weights_path, folder / run.weights_path.name)
        return read_run(self.root / run_id)

    def pack(self, runs: Iterable[Run]) -> None:
        """Make the collection of this folder anew, from what these runs came to.

        Weights and training states do not enter it, nor samples before the last. Folders of these
        runs that lie here go, once the collection is written.
        """
        import pandas as pd

        runs = sorted(runs, key=lambda run: run.run_id)
        tokenizers = [run.files.read(TOKENIZER) for run in runs]
        hashes = [hashlib.sha256(content).hexdigest() for content in tokenizers]
        texts = {sha256: file.decode() for sha256, file in zip(hashes, tokenizers, strict=True)}
        packed = table.dataframe(runs).drop(columns="path")
        packed = packed.assign(
            shipped=True,
            config=[json.dumps(_shipped_document(run, run.run_id, run.name)) for run in runs],
            status=[json.dumps(replace(run.status, pid=None).to_dict()) for run in runs],
            samples=[_last_sample(run) for run in runs],
            tokenizer_sha256=hashes,
        )
        steps = [run.metrics().assign(run_id=run.run_id) for run in runs]
        with refusals_explained(self.root / collection.RUNS):
            collection.write(
                self.root,
                packed,
                pd.concat(steps, ignore_index=True),
                pd.DataFrame(sorted(texts.items()), columns=["sha256", "tokenizer"]),
            )
        for run in runs:
            if has_folder(self.root / run.run_id):
                shutil.rmtree(self.root / run.run_id)

    def rename(self, run: Run, name: str) -> Run:
        """Give a run another name. Its id stays."""
        if run.shipped:
            raise ShippedRunError(f"{run.name} came with the program and keeps its name.")
        replace_json(run.path / "name.json", {"name": _checked_name(name)}, shared=True)
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

    def forget_weights(self, run: Run) -> None:
        """Remove the weights of a run that is complete. What it came to stays."""
        if run.shipped or run.state != "complete":
            raise RunError(
                f"{run.name} keeps its weights: it has come with the program or goes on."
            )
        with refusals_explained(run.path):
            run.weights_path.unlink(missing_ok=True)

    def dataframe(self) -> pd.DataFrame:
        """One row per run: its settings as `model.d_model`, its facts and its results."""
        return table.dataframe(self.list())

    def __repr__(self) -> str:
        return f"RunStore({str(self.root)!r})"

    def _repr_html_(self) -> str:
        """A small table of the newest runs, for a notebook."""
        scan = self.scan()
        parts = [f"{counted(len(scan.runs), 'run')} in {self.root}"]
        if len(scan.runs) > _MOST_PREVIEWED:
            parts.append(f"the newest {_MOST_PREVIEWED} of them here")
        if scan.broken:
            parts.append(f"{counted(len(scan.broken), 'folder')} cannot be read")
        summaries = [run.summary() for run in scan.runs[:_MOST_PREVIEWED]]
        heading = list(dict.fromkeys(title for summary in summaries for title in summary))
        rows = [[summary.get(title, "") for title in heading] for summary in summaries]
        return html_table(heading, rows, caption="; ".join(parts))

    @contextlib.contextmanager
    def _new_folder(
        self, run_id: str, instead_of: Run | None = None
    ) -> Generator[Path, None, None]:
        """A folder to fill, which becomes `run_id` when all is written."""
        final = self.root / run_id
        replaced = instead_of is not None and final == instead_of.path
        if final.exists() and not replaced:
            raise RunError(f"There is a run {run_id} in {self.root} already.")
        with refusals_explained(final):
            self.root.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=self.root))
            try:
                folder.chmod(0o755)
                yield folder
                if replaced:
                    shutil.rmtree(final)
                os.replace(folder, final)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise


def holds_run(path: Path) -> bool:
    """Whether a run lies at `path`: in a folder, or in the collection of the folder above."""
    return has_folder(path) or collection.packed_files(path) is not None


def _shipped_document(run: Run, run_id: str, name: str) -> dict[str, Any]:
    """The config.json of a run as one that comes with the program."""
    if run.state not in ("complete", "failed"):
        raise RunError(f"Only a run that has ended can be shipped. {run.name} is {run.state}.")
    document = upgrade(run.document("config.json"))
    document.update(run_id=run_id, name=_checked_name(name), shipped=True)
    return document


def _last_sample(run: Run) -> str:
    """The last text that a run wrote, as a line of samples.jsonl without its tokens."""
    for sample in run.samples().tail(1).to_dict("records"):
        sample.update(tokens=[], probabilities=[])
        return json.dumps(sample, ensure_ascii=False)
    return ""


def _what_else(path: Path) -> str | None:
    """What a path is that is no folder of a run, in a sentence; None for what is no path."""
    if path.suffix in WEIGHT_SUFFIXES:
        of = f" Give {path.parent}." if has_folder(path.parent) else ""
        return (
            f"{path} is a file of weights. A run is the folder that has its settings and its "
            f"tokenizer beside them.{of}"
        )
    try:
        if path.suffix == ".zip" and path.is_file():
            return f"{path} is an exported run. Import it on the page Compare, then give its name."
        if path.name and len(path.parts) > 1 and path.is_dir():
            return f"The folder {path} is not a run: it has no config.json."
    except (OSError, ValueError):  # not a path at all
        pass
    return None


def _checked_name(name: str) -> str:
    name = name.strip()
    if not (1 <= len(name) <= LONGEST_NAME and name.isprintable()):
        raise RunError(
            f"A name must be 1 to {LONGEST_NAME} characters on one line. Received: {name!r}."
        )
    return name
