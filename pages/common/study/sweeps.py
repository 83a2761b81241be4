"""Sweeps on a page: from a form or a file to runs, and their results so far."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lm.architectures import ARCHITECTURES
from lm.base.files import PROJECT
from lm.base.settings import ConfigError, Setting, rule
from lm.jobs import sweeps as jobs_sweeps
from lm.jobs.sweeps import Sweep
from lm.runs import SWEEPS, Run, table
from lm.runs.config import RunConfig
from pages.common import caches, corpora, drafts, forms, wording

MOST_RUNS = 400  # that a page starts; the command line has no such limit
BUDGET = "budget"
COUNTED = f"Training FLOPs. {wording.NOT_COUNTED}"


# --- files --------------------------------------------------------------------------------------


def files() -> dict[str, Path]:
    """Sweeps that can be opened, by name: the user's newest first, then those of the project."""
    own = sorted(_folder().glob("*.json"), key=lambda path: -path.stat().st_mtime_ns)
    shipped = sorted((PROJECT / SWEEPS).glob("*.toml"))
    names = {path.stem for path in own}
    return {path.stem: path for path in [*own, *(p for p in shipped if p.stem not in names)]}


def save(definition: Mapping[str, Any]) -> Path:
    """Keep a sweep as a file that `python -m lm sweep` takes too."""
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in definition["name"].lower())
    path = _folder() / f"{name.strip('-') or 'sweep'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(definition), encoding="utf-8")
    return path


def as_text(definition: Mapping[str, Any]) -> str:
    """A sweep as JSON."""
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _folder() -> Path:
    return caches.store().root / SWEEPS


# --- settings -----------------------------------------------------------------------------------


def settings_to_vary(architectures: Sequence[str]) -> dict[str, Setting]:
    """Name in a sweep -> setting, for all that may be varied besides budget and seed.

    Settings of the model are those that all of `architectures` have.
    """
    models = [drafts.model_settings(name) for name in ARCHITECTURES if name in architectures]
    of_all = [name for name in models[0] if all(name in model for model in models)]
    of_training = {k: v for k, v in drafts.training_settings().items() if k != "seed"}
    return {f"model.{name}": models[0][name] for name in of_all} | {
        f"training.{name}": setting for name, setting in of_training.items()
    }


def values(name: str, setting: Setting, text: str) -> list[Any]:
    """Values of a setting from "32, 64, 128". Raises `ConfigError`, naming what cannot be one."""
    parsed = []
    for part in (part.strip() for part in text.split(",")):
        if part and (value := forms.parse(setting, part)) is not None:
            parsed.append(value)
        elif part:
            raise ConfigError(f"{name} must be {rule(setting)}. Received: {part!r}.")
    if not parsed:
        raise ConfigError(f"{name} needs a value, or several with commas between them.")
    return list(dict.fromkeys(parsed))


def suggestion(setting: Setting, value: Any) -> str:
    """Values to vary a setting over, as text: around the one that the recipe chooses."""
    if setting.kind == "choice":
        return ", ".join(setting.choices)
    if setting.kind == "bool":
        return "false, true"
    around = [value / 2, value, value * 2] if value else [0, 0.1, 0.2]
    if setting.kind == "int":
        around = sorted({max(1, round(number)) for number in around}) if value else [1, 2, 4]
    return ", ".join(f"{n:g}" for n in around if setting.allows(n))


# --- runs ---------------------------------------------------------------------------------------


def expand(sweep: Sweep) -> list[RunConfig]:
    """The runs of a sweep. Raises `ConfigError` if one cannot be trained or they are too many."""
    n_runs = 1
    for entries in sweep.axes.values():
        n_runs *= len(entries)
    if n_runs > MOST_RUNS:
        raise ConfigError(
            f"That makes {n_runs:,} runs; this page starts at most {MOST_RUNS}. Leave values out, "
            "or save the file and use `python -m lm sweep`."
        )
    return _expanded(json.dumps([sweep.name, sweep.base, sweep.axes]))


@st.cache_data(max_entries=64, show_spinner="Working the runs out …")
def _expanded(text: str) -> list[RunConfig]:
    name, base, axes = json.loads(text)
    return jobs_sweeps.expand(Sweep(name=name, base=base, axes=axes), corpora.load)


def runs_of(configs: Sequence[RunConfig]) -> dict[RunConfig, Run]:
    """The runs among them that are on disk."""
    store, runs = caches.store(), {}
    for config in configs:
        run = jobs_sweeps.find(store, config, corpora.load(config.data).sha256)
        if run is not None:
            runs[config] = run
    return runs


def frame(runs: Mapping[RunConfig, Run], names: Sequence[str]) -> pd.DataFrame:
    """A row per complete run: the settings `names`, and its results."""
    rows = []
    for config, run in runs.items():
        if run.state == "complete" and run.status.valid and run.status.test:
            varied = {name: jobs_sweeps.value_of(config, name) for name in names}
            row = table.row(run, ("flops", "val_loss", "test_log_likelihood", "run_id"))
            rows.append({**varied, **row, "seed": config.training.seed})
    frame = pd.DataFrame(rows)
    return frame.astype({"flops": float}) if rows else frame


def series(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The name of a run's line in a chart: the settings `names`, with their values."""
    return jobs_sweeps.settings_text({name: row[name] for name in names}) or "all runs"


def short(name: str) -> str:
    """A setting's name without its section: d_model of model.d_model."""
    return name.rpartition(".")[2]
