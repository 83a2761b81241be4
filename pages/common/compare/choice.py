"""Which runs are compared: the group whose losses compare, and the checked runs in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import streamlit as st

from lm import charts
from lm.base.glossary import meaning
from lm.runs import Run
from pages.common import links, runs_table, wording
from pages.common.choosing import keep_among
from pages.common.runs_table import Group

MOST_CHECKED = 12  # at first, unless the best group of seeds is larger; a person may check more
MOST_NAMED = 12  # marks or curves in a chart; more are named by their colour


def choose_group(groups: dict[str, Group]) -> Group:
    """Let the user choose corpus and tokens; the losses of others do not compare with theirs."""
    link = links.runs_to_compare()
    if link != st.session_state.get("checked_url"):  # not put into the address by this page
        for key, group in groups.items():
            if run_ids := [run.run_id for run in group.runs if run.run_id in link]:
                st.session_state["group"] = key
                checked_ids()[key] = run_ids
                for chosen in ("color_by", "setting", "rows_asked"):  # they depend on the runs
                    st.session_state.pop(chosen, None)
                break
    keep_among("group", groups, otherwise=next(iter(groups)))
    key = st.selectbox(
        "Corpus and tokens",
        list(groups),
        format_func=lambda key: groups[key].title,
        key="group",
        persist_state="session",
        help=f"Losses per word and per character do not compare. {meaning('bits per character')}",
    )
    return groups[key]


def with_ladder(group: Group, recipe: str) -> Group:
    """The group with the ladder's runs as rows after its own, if the user wants them."""
    ladder = [run for run in group.ladder if run.config.preset == recipe]
    if not ladder:
        return group
    wanted = st.toggle(
        f"The ladder's runs as rows, too ({len(ladder)})",
        key="with_ladder",
        persist_state="session",
    )
    return replace(group, runs=(*group.runs, *ladder)) if wanted else group


def checked_ids() -> dict[str, list[str]]:
    """Ids of the checked runs, by group."""
    return st.session_state.setdefault("checked", {})


def checked_runs(group: Group) -> list[Run]:
    """The checked runs of the group, oldest first; at first its best ones are checked.

    The address names them once they are others, so that a visit leaves one step for "back".
    """
    best = {run.run_id for run in best_runs(group)}
    run_ids = set(checked_ids().setdefault(group.key, list(best)))
    runs = [run for run in group.runs if run.run_id in run_ids]
    if run_ids != best or links.runs_to_compare():
        st.session_state["checked_url"] = links.keep_in_address(runs)
    return runs


def best_runs(group: Group) -> list[Run]:
    """The runs with the lowest losses, `MOST_CHECKED` at most.

    Runs that differ by their seed alone come whole, by their mean, or not at all: the mean of the
    best seeds is lower than that of all. The best of them come even where they are more.
    """
    alike: dict[str, list[Run]] = {}
    for run in group.runs:
        alike.setdefault(runs_table.without_seed(run), []).append(run)

    def loss(seeds: list[Run]) -> float:
        scores = [score for run in seeds if (score := group.score(run.status.valid)) is not None]
        return fmean(scores) if scores else math.inf

    best: list[Run] = []
    for seeds in sorted(alike.values(), key=loss):
        if best and len(best) + len(seeds) > MOST_CHECKED:
            break
        best += seeds
    return best


def colouring(
    group: Group, checked: Sequence[Run]
) -> tuple[dict[str, charts.Look], dict[str, str]]:
    """Run id -> its look, and run id -> what its colour stands for.

    Every run of the group has a look, checked or not, so that checking changes no colour. At
    first, colours tell architectures apart, or what else the checked runs differ in.
    """
    varying = [name for name in runs_table.varying(group.runs) if name != "architecture"]
    options = ["architecture", "run", *varying]
    first = next(iter(runs_table.varied(checked)), "architecture")
    keep_among("color_by", options, otherwise=first if first in options else "architecture")
    by = st.selectbox(
        "Colour by",
        options,
        key="color_by",
        persist_state="session",
        help="Runs of one colour differ by dash and by shape.",
    )
    names = {run.run_id: run.name for run in group.runs}
    if by == "architecture":
        architectures = {run.run_id: run.config.model.architecture for run in group.runs}
        titles = {run_id: wording.architecture(name) for run_id, name in architectures.items()}
        return charts.run_looks(architectures, names), titles
    if by == "run":
        return charts.run_looks({run_id: run_id for run_id in names}, names), names
    said = {run.run_id: runs_table.said(run, by) or f"no {by}" for run in group.runs}
    return charts.run_looks(said, names), said


def named(
    runs: Sequence[Run],
    series: Mapping[str, str],
    looks: Mapping[str, charts.Look],
    colours: Mapping[str, str],
    *,
    without: Collection[str] = (),
) -> dict[str, charts.Look]:
    """Run id -> how the run is drawn, and the fewest settings that tell its series from others.

    Args:
        runs: The runs of a chart.
        series: Run id -> the series that it belongs to. Runs of one series are drawn alike. Where
            there are more than `MOST_NAMED` of them, runs of one colour are.
        looks: Run id -> the look of the run alone.
        colours: Run id -> what its colour stands for.
        without: Settings that are no part of a name.
    """
    by_colour = len(set(series.values())) > MOST_NAMED
    key_of = colours if by_colour else series
    first = {key_of[run.run_id]: run for run in reversed(runs)}
    labels = runs_table.labels([run for run in runs if run in first.values()], without)
    names = {key: key if by_colour else labels[run.run_id] for key, run in first.items()}
    return {
        run.run_id: replace(looks[first[key].run_id], label=names[key])
        for run in runs
        for key in [key_of[run.run_id]]
    }
