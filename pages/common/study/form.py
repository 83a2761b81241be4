"""The form of a sweep: a file to open, or controls for what varies and what is fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import streamlit as st

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.base.glossary import meaning
from lm.base.settings import ConfigError
from lm.datasets import DATASETS
from lm.jobs.sweeps import WEIGHTS, Sweep, Weights
from lm.runs.presets import DEFAULT
from pages.common import corpora, drafts, wording
from pages.common.study import sweeps

A_NEW_ONE = "a new one"
KEPT: dict[Weights, str] = {"every": "every run", "best": "the best seed", "none": "none"}
MOST_SETTINGS = 4


def definition() -> dict[str, Any]:
    """The definition of a sweep, from a file or from the controls. Raises `ConfigError`."""
    files = sweeps.files()
    name = st.selectbox(
        "Sweep",
        [A_NEW_ONE, *files],
        key="sweep_file",
        persist_state="session",
        help="A new one, one that was started here, or one of the files in `sweeps/`.",
    )
    if name in files:
        with st.expander(f"What is in {wording.plain(files[name].name)}"):
            st.code(files[name].read_text(encoding="utf-8"), language=None, wrap_lines=True)
        sweep = Sweep.from_file(files[name])
        return _definition(sweep.name, sweep.base, sweep.axes, sweep.weights)
    return _controls()


def _controls() -> dict[str, Any]:
    name = st.text_input(
        "Name", "My sweep", key="sweep_name", max_chars=60, persist_state="session"
    )
    architectures = st.pills(
        "Architectures",
        list(ARCHITECTURES),
        selection_mode="multi",
        default=list(ARCHITECTURES),
        format_func=wording.architecture,
        key="sweep_architectures",
        persist_state="session",
    )
    shared = [name for name in corpora.available() if not DATASETS[name].needs_path]
    dataset = st.selectbox(
        "Dataset",
        shared,
        format_func=lambda name: DATASETS[name].title,
        key="sweep_dataset",
        persist_state="session",
    )
    least, most = st.select_slider(
        "Budgets (training FLOPs), from and to",
        drafts.BUDGETS,
        (1e9, 1e11),
        format_func=flops_text,
        key="sweep_budgets",
        persist_state="session",
        help="A ladder of budgets in equal ratios. Drag both ends together for one budget. Under "
        f"preset {DEFAULT} the model's size and the batch follow from each.",
    )
    left, right = st.columns(2)
    rungs = left.number_input(
        "Rungs", 2, 12, 3, key="sweep_rungs", persist_state="session", disabled=least == most,
        help="How many budgets, both ends included.",
    )  # fmt: skip
    seeds = right.number_input(
        "Seeds", 1, 10, 3, key="sweep_seeds", persist_state="session",
        help=f"How often each run is trained: three times or more, for a claim. {meaning('seed')}",
    )  # fmt: skip
    if not architectures:
        raise ConfigError("Choose an architecture, or several.")
    base: dict[str, Any] = {"dataset": dataset}
    axes: dict[str, Any] = {}
    _put(base, axes, "architecture", architectures)
    ladder = {"from": least, "to": most, "count": rungs}
    _put(base, axes, sweeps.BUDGET, [least] if least == most else ladder)
    _put(base, axes, "seed", list(range(seeds)))
    for setting, values in _settings(architectures, dataset, least, most).items():
        _put(base, axes, setting, values)
    weights = st.segmented_control(
        "Keep the weights of",
        WEIGHTS,
        default="every",
        required=True,
        format_func=lambda kept: KEPT[cast(Weights, kept)],
        key="sweep_weights",
        persist_state="session",
        help="A run whose weights go keeps its losses, its curve and its samples; it writes no "
        "more. The best is, of runs that differ by their seed alone, the lowest on validation.",
    )
    return _definition(name.strip() or "My sweep", base, axes, cast(Weights, weights))


def _definition(
    name: str, base: Mapping[str, Any], axes: Mapping[str, Any], weights: Weights
) -> dict[str, Any]:
    """A sweep as a file holds it; what is as always need not be said."""
    definition = {"name": name, "base": base, "axes": axes}
    return definition if weights == "every" else {**definition, "weights": weights}


def _put(base: dict[str, Any], axes: dict[str, Any], name: str, values: Any) -> None:
    """Put one value into the base, for all runs; several become an axis."""
    if isinstance(values, list) and len(values) == 1:
        base[name] = values[0]
    else:
        axes[name] = values


def _settings(
    architectures: Sequence[str], dataset: str, least: float, most: float
) -> dict[str, list[Any]]:
    settings = sweeps.settings_to_vary(architectures)
    if stale := set(st.session_state.get("sweep_settings", ())) - set(settings):
        kept = [name for name in st.session_state["sweep_settings"] if name not in stale]
        st.session_state["sweep_settings"] = kept
    names = st.multiselect(
        "Settings to vary, or to fix",
        list(settings),
        format_func=sweeps.short,
        key="sweep_settings",
        persist_state="session",
        max_selections=MOST_SETTINGS,
        placeholder="none: all follow from the budget",
        help="One value fixes a setting, several vary it: every combination is trained. Those of "
        "the model are the ones that all chosen architectures have.",
    )
    if not names:
        return {}
    middle = min(drafts.BUDGETS, key=lambda budget: abs(budget - (least * most) ** 0.5))
    follows = drafts.draft(
        {"architecture": architectures[0], "dataset": dataset, "budget": middle}
    ).values
    values = {}
    for name in names:
        setting = settings[name]
        text = st.text_input(
            f"{sweeps.short(name)}, values",
            sweeps.suggestion(setting, follows.get(sweeps.short(name))),
            key=f"sweep_values_{name}",
            persist_state="session",
            help=setting.help,
        )
        values[name] = sweeps.values(sweeps.short(name), setting, text)
    return values
