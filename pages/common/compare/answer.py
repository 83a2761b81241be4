"""The answer of the Compare page: what each budget buys, and where one's own runs lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

import pandas as pd
import streamlit as st

from lm import charts
from lm.architectures import ARCHITECTURES
from lm.base.glossary import meaning
from lm.runs import Run
from lm.runs.frontier import Frontier, budget_of, loss_on_test
from lm.runs.presets import DEFAULT
from lm.runs.table import COLUMNS, Column, offered
from pages.common import corpora, ladders, wording
from pages.common.choosing import keep_among
from pages.common.compare import train_ladder
from pages.common.components.chart import place
from pages.common.runs_table import Group


def choose_recipe(group: Group) -> str:
    """Which recipe's ladder is drawn, by a switch where there are several."""
    presets = ladders.presets(group.ladder)
    if len(presets) < 2:
        return next(iter(presets), DEFAULT)
    keep_among("recipe", presets, otherwise=presets[0])
    chosen = st.segmented_control(
        "Ladder of",
        presets,
        required=True,
        key="recipe",
        format_func=lambda name: "the default recipes" if name == DEFAULT else f"the {name}'s",
        persist_state="session",
        help=meaning("ladder"),
    )
    return chosen or presets[0]


def choose_axis() -> Column:
    """What the frontier is drawn over: FLOPs, or another measure of what training took."""
    names = [column.name for column in offered("x")]
    names.sort(key=lambda name: name != "flops")
    keep_among("over", names, otherwise=names[0])
    name = st.selectbox(
        "Over",
        names,
        format_func=lambda name: COLUMNS[name].label,
        key="over",
        persist_state="session",
        width=320,
        help="What is cheap on one scale is dear on another. Tables of n-grams are free in FLOPs, "
        "take a few operations, and parameters above all; a second depends on the machine.",
    )
    return COLUMNS[name]


def show(group: Group, recipe: str) -> None:
    """The frontier in a sentence and a chart; where there is none yet, the offer to train one."""
    frontier = ladders.frontier(group.ladder, recipe)
    if not frontier and not group.in_bits:
        train_ladder.offer(group)
    if sentence := ladders.leads_text(frontier.leads()):
        st.header(sentence, anchor=False)
    drawing = st.container(gap="medium", key="drawing")
    if not frontier and all(run.shipped for run in group.runs):
        return
    over = choose_axis()
    with drawing:
        _draw(group, recipe, frontier, over)


def _draw(group: Group, recipe: str, frontier: Frontier, over: Column) -> None:
    own = _marks(group, over)
    rungs = _rungs(frontier, rung_places(group, recipe, over))
    if rungs.empty and not own:
        return
    present = dict.fromkeys([*frontier.lines, *(mark.series for mark in own)])
    looks = {
        name: charts.of_architecture(name, wording.architecture(name))
        for name in dict.fromkeys([*ARCHITECTURES, *present])
        if name in present
    }
    y_title = COLUMNS["test_bits_per_char" if group.in_bits else "test_log_likelihood"].label
    references = {} if group.in_bits else _counting(group)
    with st.container(key="frontier-chart", gap="xxsmall"):
        place(
            charts.frontier_chart(
                rungs, looks, own, y_title=y_title, x_title=over.label, references=references
            ),
            key="frontier",
            alt=charts.describe_frontier(rungs, looks, own, y_title=y_title, x_title=over.label),
        )
        parts = ["Lower is better." if group.in_bits else "Higher is better."]
        if frontier:
            parts.append("Lines are means over seeds; bands reach from the worst seed to the best.")
            if not all(rung.firm for line in frontier.lines.values() for rung in line):
                parts.append("Hollow: fewer than three seeds.")
        if own:
            parts.append("Large: your runs.")
        if references:
            parts.append("Dashed: counting n-grams, with no training FLOPs at all.")
        parts.append(wording.NOT_COUNTED if over.name == "flops" else f"{over.label}: {over.help}")
        st.caption(" ".join(parts))


def distances(group: Group) -> Callable[[Run], str]:
    """A function that says how far a run of the group is from the frontier of its own recipe."""
    by_preset = {
        preset: ladders.frontier(group.ladder, preset) for preset in ladders.presets(group.ladder)
    }

    def text(run: Run) -> str:
        frontier = by_preset.get(run.config.preset)
        return ladders.distance_text(ladders.distance(run, frontier)) if frontier else ""

    return text


def _marks(group: Group, over: Column) -> list[charts.Mark]:
    """The user's own runs that were scored on test; a ladder has those that ship."""
    distance_of = distances(group)
    marks = []
    for run in group.runs:
        score, x = group.score(run.status.test), float(over.value(run) or 0)
        if score is None or run.shipped or x <= 0:  # the axis is logarithmic
            continue
        distance = distance_of(run) or "no ladder at its budget and recipe"
        marks.append(
            charts.Mark(
                name=run.name,
                series=run.config.model.architecture,
                x=x,
                y=score if group.in_bits else -score,
                note="" if group.in_bits else distance,
            )
        )
    return marks


def rung_places(group: Group, recipe: str, over: Column) -> dict[tuple[str, float], float]:
    """Where each rung of the ladder stands on the axis: architecture and budget -> mean."""
    values: dict[tuple[str, float], list[float]] = {}
    for run in group.ladder:
        if run.config.preset == recipe and loss_on_test(run) is not None:
            rung = run.config.model.architecture, budget_of(run)
            values.setdefault(rung, []).append(float(over.value(run)))
    return {rung: fmean(each) for rung, each in values.items()}


def _rungs(frontier: Frontier, places: Mapping[tuple[str, float], float]) -> pd.DataFrame:
    """The frontier as rows for its chart, in log-likelihood: the negative of the loss."""
    rows = [
        {
            "series": series,
            "x": places[series, rung.budget],
            "mean": -rung.mean,
            "low": -rung.most,
            "high": -rung.least,
            "n": rung.n_seeds,
            "firm": rung.firm,
        }
        for series, line in frontier.lines.items()
        for rung in line
        if places[series, rung.budget] > 0  # the axis is logarithmic
    ]
    return pd.DataFrame(rows, columns=["series", "x", "mean", "low", "high", "n", "firm"])


def _counting(group: Group) -> dict[str, float]:
    """Test log-likelihood of counting: what a model of no training FLOPs reaches."""
    run = next(iter([*group.runs, *group.ladder]))
    try:
        baselines = corpora.baselines(run.config.data)
    except ValueError:
        return {}  # the text is not here; the runs are
    return {
        name: parts["test"].log_likelihood for name, parts in baselines.items() if "test" in parts
    }
