"""A collection: the results of many runs, without their weights, in three Parquet files.

It lies in a folder of runs and stands for run folders that would hold the same: a row of
runs.parquet holds the JSON of a run's files, and Run objects are read from it as from a folder.
docs/run-format.md describes the columns. pandas is imported where it is used: a process that
trains does without it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lm.base.files import replacing
from lm.runs.errors import BrokenRunError

if TYPE_CHECKING:
    import pandas as pd

RUNS, METRICS, TOKENIZERS = "runs.parquet", "metrics.parquet", "tokenizers.parquet"
# columns of runs.parquet -> the file of a run's folder whose text they hold
FILES = {"config": "config.json", "status": "status.json", "samples": "samples.jsonl"}


@dataclass(frozen=True)
class PackedFiles:
    """The files of one run of a collection, as its folder would hold them."""

    collection: Collection
    run_id: str

    def read(self, name: str) -> bytes:
        """The content of a file of the run. Raises FileNotFoundError where it has none."""
        row = self.collection.rows[self.run_id]
        if name == "metrics.jsonl":
            return "".join(json.dumps(row) + "\n" for row in self.rows()).encode()
        if name == "tokenizer.json":
            return self.collection.tokenizers[row["tokenizer_sha256"]].encode()
        for column, file in FILES.items():
            if name == file:
                return row[column].encode()
        raise FileNotFoundError(name)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl in the order of steps."""
        return [dict(row) for row in self.collection.steps.get(self.run_id, ())]


@dataclass(frozen=True, eq=False)
class Collection:
    """The three files of a folder; what is read of them is kept, since they do not change."""

    folder: Path

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, str]]:
        """Run id -> the columns of `FILES`, and the SHA-256 of the run's tokenizer."""
        rows = self._read(RUNS, ["run_id", *FILES, "tokenizer_sha256"])
        return {row["run_id"]: cast(Any, row) for row in rows.to_dict("records")}

    @cached_property
    def tokenizers(self) -> Mapping[str, str]:
        """SHA-256 -> the JSON of a tokenizer."""
        columns = self._read(TOKENIZERS)
        return dict(zip(columns["sha256"], columns["tokenizer"], strict=True))

    @cached_property
    def steps(self) -> Mapping[str, list[dict[str, Any]]]:
        """Run id -> its recorded steps, as rows of metrics.jsonl."""
        table = self._read(METRICS)
        run_ids = table.pop("run_id").to_list()
        columns = [[None if x != x else x for x in table[name].to_list()] for name in table]
        names = [str(name) for name in table]
        steps: dict[str, list[dict[str, Any]]] = {}
        for run_id, values in zip(run_ids, zip(*columns, strict=True), strict=True):
            steps.setdefault(run_id, []).append(dict(zip(names, values, strict=True)))
        return steps

    def _read(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        import pandas as pd

        path = self.folder / name
        try:
            return pd.read_parquet(path, engine="pyarrow", columns=columns)
        except (OSError, ValueError, KeyError) as error:
            raise BrokenRunError(f"{path} cannot be read: {error}") from None


def collection_in(folder: Path) -> Collection | None:
    """The collection in a folder of runs; None where there is none."""
    try:
        stat = (folder / RUNS).stat()
    except (OSError, ValueError):  # ValueError: not a path at all
        return None
    return _collection(folder, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=8)
def _collection(folder: Path, mtime_ns: int, size: int) -> Collection:
    return Collection(folder)


def packed_files(path: Path) -> PackedFiles | None:
    """The files of the run whose folder would be `path`; None where no collection has it."""
    collection = collection_in(path.parent)
    if collection is None or path.name not in collection.rows:
        return None
    return PackedFiles(collection, path.name)


def write(folder: Path, runs: pd.DataFrame, steps: pd.DataFrame, tokenizers: pd.DataFrame) -> None:
    """Write the files of a collection, each whole or not at all, runs.parquet last.

    Args:
        folder: Where they go.
        runs: A row a run; it has the columns that `Collection.rows` reads.
        steps: A row a recorded step of a run, with "run_id" and the columns of metrics.jsonl.
        tokenizers: A row a tokenizer, with "sha256" and "tokenizer", its JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in ((METRICS, steps), (TOKENIZERS, tokenizers), (RUNS, runs)):
        with replacing(folder / name) as file:
            table.to_parquet(file, engine="pyarrow", index=False, compression="zstd")
