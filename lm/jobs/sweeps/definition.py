"""What a sweep is: a base, axes, and all their combinations, from a small file or from values."""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from lm.base.registry import did_you_mean, must_be_one_of
from lm.base.settings import ConfigError
from lm.base.wording import listed
from lm.runs.config import RunConfig
from lm.runs.recipes import SHORT_NAMES

SECTIONS = ("model", "training", "data")
PARTS = ("name", "base", "axes", "weights")
LADDER = {"from", "to", "count"}
NAMES = ("architecture", "preset", *SHORT_NAMES)  # besides model.…, training.… and data.…
_SHORTENED = {long_name: name for name, long_name in SHORT_NAMES.items()}
MOST_RUNS = 10_000

Weights = Literal["every", "best", "none"]  # of runs: of those that differ by their seed, the best
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
Point = dict[str, Any]  # one combination: setting -> value


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A base and axes. Settings go by `NAMES`, or by section and name, as in model.d_model.

    An axis is a list of values of the setting that it is named after, or of tables that set
    several at once (its name is then but a label). `weights` says which runs keep theirs when they
    are complete: every one, of those that differ by their seed alone the best, or none.
    """

    name: str
    base: Point = field(default_factory=dict)
    axes: dict[str, list[Any]] = field(default_factory=dict)
    weights: Weights = "every"

    @classmethod
    def from_file(cls, path: str | Path) -> Sweep:
        """Read a file of TOML, or of JSON if its name says so.

        Raises `ConfigError` in one sentence, and `OSError` if it cannot be read at all.
        """
        path = Path(path)
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
            values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except ValueError as error:
            raise ConfigError(f"{path} cannot be read as a sweep: {error}.") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path} cannot be read as a sweep: it holds no table.")
        return cls.from_dict({"name": path.stem, **values}, folder=path.parent)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], folder: Path | None = None) -> Sweep:
        """A sweep from plain values: name, base, axes and perhaps weights, as in a file.

        Texts of one's own are looked for from `folder`. Raises `ConfigError`.
        """
        for name in values:
            if name not in PARTS:
                raise ConfigError(f"A sweep has {listed(PARTS)}. Received: {name!r}.")
        name, base, axes = (values.get(part, {}) for part in ("name", "base", "axes"))
        weights = values.get("weights", "every")
        if weights not in WEIGHTS:
            raise ConfigError(must_be_one_of("weights", weights, WEIGHTS))
        if not (isinstance(name, str) and name.strip()):
            raise ConfigError(f"name must be text. Received: {name!r}.")
        for part, table in (("base", base), ("axes", axes)):
            if not isinstance(table, Mapping):
                raise ConfigError(f"{part} must be a table of settings. Received: {table!r}.")
        sweep = cls(
            name=name.strip(),
            base=_point("base", base, folder),
            axes={axis: _axis(axis, entries, folder) for axis, entries in _flat(axes).items()},
            weights=weights,
        )
        n_runs = math.prod(len(entries) for entries in sweep.axes.values())
        if n_runs > MOST_RUNS:
            raise ConfigError(f"The axes make {n_runs:,} runs; a sweep has at most {MOST_RUNS:,}.")
        return sweep

    @property
    def varied(self) -> list[str]:
        """The settings that the axes touch, in order."""
        points = itertools.chain.from_iterable(self.axes.values())
        return list(dict.fromkeys(name for point in points for name in point))

    @property
    def differing(self) -> list[str]:
        """The settings in which its runs differ: those of axes with several points."""
        several = [point for axis in self.axes.values() if len(axis) > 1 for point in axis]
        return [name for name in self.varied if any(name in point for point in several)]

    def points(self) -> Iterator[tuple[Point, Point]]:
        """Every combination: what the axes say of it, and with the base's settings below."""
        for combination in itertools.product(*self.axes.values()):
            chosen: Point = {}
            for point in combination:
                for name, value in point.items():
                    if name in chosen:
                        raise ConfigError(f"Two axes of {self.name} set {name}.")
                    chosen[name] = value
            yield chosen, {**self.base, **chosen}


def value_of(config: RunConfig, name: str) -> Any:
    """A setting of a run by its name in sweeps; None where its architecture has none such."""
    section, _, rest = SHORT_NAMES.get(name, name).partition(".")
    if section == "architecture":
        return config.model.architecture
    part = getattr(config, section)
    return getattr(part, rest, None) if rest else part


def in_words(value: Any) -> str:
    """A value of a setting, short: 1e+10, muon, or - for none."""
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _axis(axis: str, entries: Any, folder: Path | None) -> list[Point]:
    """The points along an axis."""
    if isinstance(entries, Mapping) and entries.keys() == LADDER:
        entries = _ladder(axis, **{f"{key}_": value for key, value in entries.items()})
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ConfigError(
            f"axes.{axis} must be a list of one value or more, or a ladder "
            f"{{from = …, to = …, count = …}}. Received: {entries!r}."
        )
    return [
        _point(f"axes.{axis}", entry if isinstance(entry, Mapping) else {axis: entry}, folder)
        for entry in entries
    ]


def _ladder(axis: str, from_: Any, to_: Any, count_: Any) -> list[float]:
    """`count` numbers in equal ratios, to three digits."""
    numbers = [isinstance(end, int | float) and end > 0 for end in (from_, to_)]
    if not all(numbers) or not isinstance(count_, int) or not 2 <= count_ <= 100:
        raise ConfigError(
            f"axes.{axis}: a ladder goes from one number above 0 to another, with a count of "
            f"2 to 100. Received: from = {from_!r}, to = {to_!r}, count = {count_!r}."
        )
    return [
        float(f"{from_ * (to_ / from_) ** (rung / (count_ - 1)):.3g}") for rung in range(count_)
    ]


def _point(where: str, values: Mapping[str, Any], folder: Path | None) -> Point:
    """Settings by name, checked for their names alone."""
    point: Point = {}
    for long_name, value in _flat(values).items():
        name = _SHORTENED.get(long_name, long_name)
        _check_name(where, name)
        if name in point:
            raise ConfigError(f"{where}: {name} is given twice.")
        point[name] = value
        if isinstance(value, Mapping | list):
            raise ConfigError(f"{where}: {name} must be one value. Received: {value!r}.")
    if isinstance(text := point.get("text"), str):
        point["text"] = str(((folder or Path()) / Path(text).expanduser()).absolute())
    return point


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"model": {"d_model": 64}}, as TOML reads model.d_model = 64 -> {"model.d_model": 64}"""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name in SECTIONS and isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": setting for inner, setting in value.items()})
        else:
            flat[name] = value
    return flat


def _check_name(where: str, name: str) -> None:
    section, dot, rest = name.partition(".")
    if name in NAMES or (section in SECTIONS and dot and rest):
        return
    near = did_you_mean(name, NAMES)
    hint = f" Did you mean {near}?" if near else ""
    raise ConfigError(
        f"{where}: a setting is one of {', '.join(NAMES)}, or model.NAME, training.NAME or "
        f"data.NAME. Received: {name!r}.{hint}"
    )
