"""Many runs from one small file: a base, axes, and all their combinations.

A run of a sweep is known by its content: its id is a hash of its settings and its text. So a
sweep that was interrupted goes on where it was, one that is repeated costs nothing, and two
sweeps share the runs that they have in common. Nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import math
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm.architectures import DEFAULT, n_params
from lm.base.machine import n_cores
from lm.base.registry import did_you_mean
from lm.base.settings import ConfigError
from lm.datasets import OWN_TEXT, Corpus, DatasetError, load
from lm.datasets.config import DataConfig
from lm.jobs.executors import Executor
from lm.runs import Run, RunError, RunStore, forecast, read_run
from lm.runs.config import RunConfig
from lm.runs.plan import BudgetError, plan
from lm.runs.prepare import check_length, check_threads, prepare
from lm.runs.recipes import HORIZONS, SHORT_NAMES, resolve

SECTIONS = ("model", "training", "data")
PARTS = ("name", "base", "axes")
LADDER = {"from", "to", "count"}
NAMES = ("architecture", "preset", *SHORT_NAMES)  # besides model.…, training.… and data.…
_SHORTENED = {long_name: name for name, long_name in SHORT_NAMES.items()}
MOST_RUNS = 10_000
HASH_LENGTH = 10
THREADS = 1  # of a run: more runs at a time serve better than more threads (docs/sweeps.md)
MOST_TRIES = 3  # in a row for a run that is lost without a new checkpoint
SECONDS_BETWEEN_LOOKS = 0.25

Loader = Callable[[DataConfig], Corpus]
Point = dict[str, Any]  # one combination: setting -> value


def remembered(load: Loader) -> Loader:
    """`load`, reading each corpus once."""
    return functools.cache(load)  # type: ignore[arg-type] - frozen models can be hashed


# --- what a sweep is ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A base and axes. Settings go by `NAMES`, or by section and name, as in model.d_model.

    An axis is a list of values of the setting that it is named after, or of tables that set
    several at once (its name is then but a label).
    """

    name: str
    base: Point = field(default_factory=dict)
    axes: dict[str, list[Any]] = field(default_factory=dict)

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
        """A sweep from plain values: name, base and axes, as in a file.

        Texts of one's own are looked for from `folder`. Raises `ConfigError`.
        """
        for name in values:
            if name not in PARTS:
                raise ConfigError(f"A sweep has {_listed(PARTS)}. Received: {name!r}.")
        name, base, axes = (values.get(part, {}) for part in PARTS)
        if not (isinstance(name, str) and name.strip()):
            raise ConfigError(f"name must be text. Received: {name!r}.")
        for part, table in (("base", base), ("axes", axes)):
            if not isinstance(table, Mapping):
                raise ConfigError(f"{part} must be a table of settings. Received: {table!r}.")
        sweep = cls(
            name=name.strip(),
            base=_point("base", base, folder),
            axes={axis: _axis(axis, entries, folder) for axis, entries in _flat(axes).items()},
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
        f"{where}: a setting is one of {_listed(NAMES)}, or model.NAME, training.NAME or "
        f"data.NAME. Received: {name!r}.{hint}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


# --- from a sweep to runs -------------------------------------------------------------------


def expand(sweep: Sweep, load: Loader = load) -> list[RunConfig]:
    """The runs of a sweep, in the order of its axes, equal ones once.

    All of them can be trained: what cannot raises `ConfigError`, naming the combination. A run
    takes one thread unless the sweep sets training.threads, so that it gives the same bits on
    any machine and as many run at a time as there are processors.
    """
    load = remembered(load)
    configs: dict[RunConfig, None] = {}
    for chosen, point in sweep.points():
        try:
            configs[_config(point, load)] = None
        except (ConfigError, DatasetError, BudgetError) as error:
            settings = _listed(f"{name} = {in_words(value)}" for name, value in chosen.items())
            where = f" ({settings})" if settings else ""
            raise ConfigError(f"{sweep.name}{where}: {error}") from None
    return list(configs)


def _config(point: Point, load: Loader) -> RunConfig:
    given: dict[str, Point] = {"": {}, "data": {}, "model": {}, "training": {"threads": THREADS}}
    for name, value in point.items():
        section, _, rest = SHORT_NAMES.get(name, name).rpartition(".")
        given[section][rest] = value
    if given["data"].get("text_path") is not None:
        given["data"].setdefault("dataset", OWN_TEXT)
    training = given["training"]
    horizon = {name: training.pop(name) for name in HORIZONS if name in training}
    corpus = load(DataConfig(**given["data"]))
    config = resolve(
        data=corpus.data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        model=given["model"],
        training=training,
        **{"architecture": DEFAULT, **given[""], **horizon},
    )
    check_length(config, corpus)
    plan(config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    return config


def stable_id(config: RunConfig, sha256: str) -> str:
    """The id of the run of these settings on the text of this hash.

    Settings that are at their defaults do not enter, so ids survive settings to come.
    """
    settings = config.model_dump(mode="json", exclude_defaults=True)
    content = json.dumps([settings, sha256], sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
    return f"{config.model.architecture}-{config.data.dataset}-{digest}"


def find(store: RunStore, config: RunConfig, sha256: str) -> Run | None:
    """The run of these settings in a store: its own, or one that came with the program.

    Raises `RunError` for a folder that is damaged, or taken by another run.
    """
    run_id = stable_id(config, sha256)
    for name in (run_id, f"shipped-{run_id}"):
        if (store.root / name).is_dir():
            run = read_run(store.root / name)
            if run.config != config or run.facts["sha256"] != sha256:
                raise RunError(
                    f"{run.path} holds a run of other settings, of which today's defaults make "
                    "the same id. Move it elsewhere."
                )
            return run
    return None


# --- what it will take ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run of a sweep before it starts, and what is left of it."""

    run_id: str
    config: RunConfig
    state: str  # of the run on disk, or "new"
    n_params: int
    n_steps: int
    flops: int  # of the whole run
    seconds: float  # of the whole run
    share_left: float  # 0 if it is complete or has failed
    bytes_left: int

    @property
    def seconds_left(self) -> float:
        """What is left of `seconds`."""
        return self.share_left * self.seconds


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a sweep will take, beyond what is there already."""

    runs: list[PlannedRun]
    n_at_once: int
    measured: bool  # times rest on runs of this machine, not on an assumption

    @property
    def n_left(self) -> int:
        """Runs to train or to finish."""
        return sum(run.share_left > 0 for run in self.runs)

    @property
    def flops_left(self) -> float:
        """Training FLOPs to spend."""
        return sum(run.share_left * run.flops for run in self.runs)

    @property
    def bytes_left(self) -> int:
        """Bytes to be written for good."""
        return sum(run.bytes_left for run in self.runs)

    @property
    def seconds_left(self) -> float:
        """From the start to the end, `n_at_once` runs at a time."""
        each = [run.seconds_left for run in self.runs]
        return max(sum(each) / self.n_at_once, max(each, default=0.0))


def estimate(
    configs: Sequence[RunConfig],
    store: RunStore,
    n_at_once: int | None = None,
    load: Loader = load,
) -> Estimate:
    """What training `configs` will take. Times are this machine's, `n_at_once` runs at a time
    (default: as many as it has processors)."""
    load = remembered(load)
    history = store.list()
    return Estimate(
        runs=[
            _planned(config, store, load(config.data), history) for config in dict.fromkeys(configs)
        ],
        n_at_once=n_at_once or n_cores(),
        measured=forecast.measured(history),
    )


def _planned(
    config: RunConfig, store: RunStore, corpus: Corpus, history: Sequence[Run]
) -> PlannedRun:
    vocab_size = corpus.tokenizer.vocab_size
    steps = plan(config, vocab_size, corpus.train.n_tokens)
    n_scored = sum(split.n_tokens for name, split in corpus.splits.items() if name != "train")
    state, done, there = "damaged", 1.0, True
    with contextlib.suppress(RunError):
        run = find(store, config, corpus.sha256)
        state = run.state if run else "new"
        over = state in ("complete", "failed")
        done = 1.0 if over else _share_done(run) if run else 0.0
        there = bool(run and run.training_state_path.exists())
    return PlannedRun(
        run_id=stable_id(config, corpus.sha256),
        config=config,
        state=state,
        n_params=n_params(config.model, vocab_size),
        n_steps=steps.n_steps,
        flops=steps.flops.total,
        seconds=forecast.whole_seconds(config, steps, vocab_size, n_scored, history),
        share_left=1 - done,
        bytes_left=0 if there or done == 1 else forecast.n_bytes(config, steps, vocab_size),
    )


def _share_done(run: Run) -> float:
    """Of its steps; a run whose splits are still to be scored has a little left."""
    return min(run.status.step / run.n_steps, 0.99)


# --- training it ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SweepProgress:
    """A sweep on its way."""

    n_runs: int
    n_complete: int
    n_failed: int
    training: list[Run]
    share: float  # of the predicted time, what was there at the start included
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a sweep ended: run ids in order, with the reason where a run is not complete."""

    complete: list[str]
    failed: dict[str, str]
    unfinished: dict[str, str]  # they go on when the sweep is repeated


def run_sweep(
    configs: Sequence[RunConfig],
    store: RunStore,
    executor: Executor,
    *,
    on_progress: Callable[[SweepProgress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    load: Loader = load,
) -> SweepResult:
    """Train what is not trained yet, and return when nothing is left to do.

    A run that fails does not stop the others; one whose process or machine is lost goes on from
    its last checkpoint; one that another process is training is waited for. When `should_stop`
    says so, everything is checkpointed and left; the same call then goes on from there.

    Raises `ConfigError`, with nothing begun, where a new run asks for more threads than the
    executor has to give.
    """
    sweeping = _Sweeping(configs, store, executor, remembered(load))
    stopping = False
    while sweeping.open:
        if not stopping and should_stop():
            stopping = True
            sweeping.pause()
        sweeping.look(stopping)
        on_progress(sweeping.progress())
        if sweeping.open:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return sweeping.result()


class _Sweeping:
    """The state of `run_sweep`."""

    def __init__(
        self, configs: Sequence[RunConfig], store: RunStore, executor: Executor, load: Loader
    ) -> None:
        self.executor = executor
        self.open: dict[str, Run] = {}
        self._complete: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._unfinished: dict[str, str] = {}
        self._tries: dict[str, tuple[int | None, int]] = {}  # checkpoint, submissions from it
        planned = estimate(configs, store, load=load)
        self._weights = {run.run_id: run.seconds for run in planned.runs}
        self._shares = dict.fromkeys(self._weights, 1.0)  # of it that is done
        self._expected_seconds = planned.seconds_left
        most_threads = executor.most_threads()
        for planned_run in planned.runs:
            if planned_run.state == "new":
                check_threads(planned_run.config, most_threads)  # before any has a folder
        for config in dict.fromkeys(configs):
            corpus = load(config.data)
            run_id = stable_id(config, corpus.sha256)
            try:
                run = find(store, config, corpus.sha256)
                self.open[run_id] = run or prepare(
                    config, store, corpus=corpus, run_id=run_id, most_threads=most_threads
                )
            except RunError as error:
                self._failed[run_id] = str(error)
        self._done_at_start = self._done()
        self._started_at = time.monotonic()

    def pause(self) -> None:
        """Have every run that the executor has checkpoint and leave off."""
        theirs = self._with_executor()
        for run_id, run in self.open.items():
            if run_id in theirs:
                self.executor.pause(run)

    def look(self, stopping: bool) -> None:
        """See what has become of the runs, and submit what is to be trained."""
        theirs = self._with_executor()
        for run_id, run in list(self.open.items()):
            try:
                if run_id not in theirs:
                    self._settle(run_id, run.reload(), stopping)
                elif run_id in self._training:
                    self.open[run_id] = run.reload()
            except RunError as error:  # damaged, deleted, or refused by the executor
                self._close(run_id, self._failed, str(error))

    def _with_executor(self) -> set[str]:
        waiting = set(self.executor.waiting())  # first: from there a run becomes active
        self._training = set(self.executor.active())
        return waiting | self._training

    def _settle(self, run_id: str, run: Run, stopping: bool) -> None:
        """Decide about a run that the executor has not, or has no more."""
        self.open[run_id] = run
        error = self.executor.error(run)
        lost = run.state in ("created", "interrupted")
        if run.state == "complete":
            self._close(run_id, self._complete, run.run_id)
        elif run.state == "failed":
            self._close(run_id, self._failed, run.reason or "It failed.")
        elif stopping:
            where = f"It is {run.state} at step {run.status.step:,} of {run.n_steps:,}."
            begun = run.state != "created"
            self._close(run_id, self._unfinished, where if begun else "It has not begun.")
        elif run.state == "running":
            return  # another process is at it
        elif run_id not in self._tries or (lost and self._may_try_again(run)):
            self._submit(run_id, run)
        elif lost or error:
            self._close(run_id, self._failed, error or run.reason or "It did not start.")
        else:
            self._close(run_id, self._unfinished, run.reason or f"It was {run.state}.")

    def _may_try_again(self, run: Run) -> bool:
        checkpoint, tries = self._tries[run.run_id]
        return checkpoint != run.status.checkpoint_step or tries < MOST_TRIES

    def _submit(self, run_id: str, run: Run) -> None:
        checkpoint, tries = self._tries.get(run_id, (None, 0))
        same = checkpoint == run.status.checkpoint_step
        self._tries[run_id] = (run.status.checkpoint_step, tries + 1 if same else 1)
        self.executor.submit(run)

    def _close(self, run_id: str, where: dict[str, str], what: str) -> None:
        del self.open[run_id]
        where[run_id] = what
        if where is not self._unfinished:
            self._shares[run_id] = 1.0

    def _done(self) -> float:
        """Weight of what is trained."""
        for run_id, run in self.open.items():
            self._shares[run_id] = _share_done(run)
        return sum(weight * self._shares[run_id] for run_id, weight in self._weights.items())

    def result(self) -> SweepResult:
        return SweepResult(
            complete=[self._complete[i] for i in self._weights if i in self._complete],
            failed=self._failed,
            unfinished=self._unfinished,
        )

    def progress(self) -> SweepProgress:
        done, total = self._done(), sum(self._weights.values())
        elapsed, since_start = time.monotonic() - self._started_at, done - self._done_at_start
        left = self._expected_seconds - elapsed
        if since_start > 0.02 * (total - self._done_at_start):
            left = elapsed * (total - done) / since_start
        return SweepProgress(
            n_runs=len(self._weights),
            n_complete=len(self._complete),
            n_failed=len(self._failed),
            training=[run for run_id, run in self.open.items() if run_id in self._training],
            share=done / total if total else 1.0,
            seconds_left=max(0.0, left),
        )
