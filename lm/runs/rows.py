"""Files of JSON lines that a run appends to: metrics.jsonl and samples.jsonl."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lm.base.checked import JsonError, JsonObject, is_count, is_number, is_text, parse_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RowColumn:
    """What a row of a file of JSON lines may hold under one name."""

    check: Callable[[object], bool]
    dtype: str | None = None  # of a table's column
    default: Any = ...  # where there is none; left out: a row must have it


def _is_step(value: object) -> bool:
    return is_count(value) and value != 0


def _is_number_or_none(value: object) -> bool:
    return value is None or is_number(value)


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(map(is_number, cast(list[object], values)))


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(map(is_text, cast(list[object], values)))


STEP_COLUMNS: Mapping[str, RowColumn] = {
    "step": RowColumn(_is_step, "int64"),
    "tokens": RowColumn(is_count, "int64"),
    "flops": RowColumn(is_count, "int64"),
    "seconds": RowColumn(is_number, "float64"),
    "train_loss": RowColumn(is_number, "float64"),
    "learning_rate": RowColumn(is_number, "float64"),
    "grad_norm": RowColumn(is_number, "float64"),
    "sampled_val_loss": RowColumn(_is_number_or_none, "float64", default=None),
}
"""Of metrics.jsonl: the fields of `StepRecord`."""

SAMPLE_COLUMNS: Mapping[str, RowColumn] = {
    "step": RowColumn(is_count, "int64"),
    "prompt": RowColumn(is_text),
    "text": RowColumn(is_text),
    "temperature": RowColumn(is_number, "float64"),
    "seed": RowColumn(is_count, "int64"),
    "probabilities": RowColumn(_are_numbers, default=()),
    "tokens": RowColumn(_are_texts, default=()),
}
"""Of samples.jsonl: the fields of `Sample`."""


def read_rows(content: bytes, columns: Mapping[str, RowColumn]) -> list[dict[str, Any]]:
    """The rows of JSON lines by step; of two of one step the later counts.

    A line that a crash left torn is skipped, and so is one that holds anything else than
    `columns` say; keys that are not among them are left out.
    """
    rows: dict[int, dict[str, Any]] = {}
    for line in content.splitlines():
        with contextlib.suppress(JsonError):
            row = _row(JsonObject(parse_json(line)).values, columns)
            if row is not None:
                rows[row["step"]] = row
    return [rows[step] for step in sorted(rows)]


def _row(values: dict[str, Any], columns: Mapping[str, RowColumn]) -> dict[str, Any] | None:
    row: dict[str, Any] = {}
    for name, column in columns.items():
        if name in values:
            value = values[name]
            if not column.check(value):
                return None
        elif column.default is ...:
            return None
        else:
            value = column.default
        row[name] = value
    return row


def frame(rows: list[dict[str, Any]], columns: Mapping[str, RowColumn]) -> pd.DataFrame:
    """A table of rows; it has its columns even where there are no rows."""
    import pandas as pd  # 0.3 s, which a worker that trains need not spend

    types = {name: c.dtype for name, c in columns.items() if c.dtype}
    return pd.DataFrame(rows, columns=list(columns)).astype(types)
