"""The answer of the Compare page: what each budget buys, and where one's own runs lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from lm import charts
from lm.architectures import ARCHITECTURES
from lm.runs import Run
from lm.runs.frontier import Frontier, Rung
from lm.runs.presets import DEFAULT
from lm.runs.table import COLUMNS
from pages.common import corpora, ladders, wording
from pages.common.compare import train_ladder
from pages.common.components.chart import place
from pages.common.runs_table import Group


def choose_recipe(group: Group) -> str:
    """Which recipe's ladder is drawn, by a switch where there are several."""
    presets = ladders.presets(group.ladder)
    if len(presets) < 2:
        return next(iter(presets), DEFAULT)
    if st.session_state.get("recipe", presets[0]) not in presets:
        del st.session_state["recipe"]
    return st.segmented_control(
        "Ladder of",
        presets,
        default=presets[0],
        required=True,
        key="recipe",
        format_func=lambda name: "the default recipes" if name == DEFAULT else f"the {name}'s",
        persist_state="session",
        help="A ladder is every architecture trained by one recipe at rising budgets, over "
        "several seeds. It is what other runs are held against.",
    )


def show(group: Group, recipe: str) -> None:
    """The frontier in a sentence and a chart; where there is none yet, the offer to train one."""
    frontier = ladders.frontier(group.ladder, recipe)
    if not frontier and not group.in_bits:
        train_ladder.offer(group)
    if sentence := ladders.leads_text(frontier.leads()):
        st.header(sentence, anchor=False)
    distance_of = distances(group)
    own = [mark for run in group.runs if (mark := _mark(group, run, distance_of))]
    if not frontier and not own:
        return
    column = COLUMNS["test_bits_per_char" if group.in_bits else "test_log_likelihood"]
    rungs = _rungs(frontier)
    references = {} if group.in_bits else _counting(group)
    looks = _looks([*frontier.lines, *(mark.series for mark in own)])
    with st.container(key="frontier-chart", gap="xxsmall"):
        place(
            charts.frontier_chart(
                rungs,
                looks,
                own,
                y_title=column.label,
                references=references,
            ),
            key="frontier",
            alt=charts.describe_frontier(rungs, looks, own, y_title=column.label),
        )
        st.caption(_caption(group, frontier, own, counted=bool(references)))


def distances(group: Group) -> Callable[[Run], str]:
    """What says how far a run of the group is from the frontier of its own recipe."""
    by_preset = {
        preset: ladders.frontier(group.ladder, preset) for preset in ladders.presets(group.ladder)
    }

    def text(run: Run) -> str:
        frontier = by_preset.get(run.config.preset)
        return ladders.distance_text(ladders.distance(run, frontier)) if frontier else ""

    return text


def _mark(group: Group, run: Run, distance_of: Callable[[Run], str]) -> charts.Mark | None:
    """One of the user's own runs that was scored on test; a ladder has those that ship."""
    score = group.score(run.status.test)
    if score is None or run.shipped:
        return None
    return charts.Mark(
        name=run.name,
        series=run.config.model.architecture,
        flops=float(run.status.flops.total),
        y=score if group.in_bits else -score,
        note="" if group.in_bits else distance_of(run) or "no ladder at its budget and recipe",
    )


def _rungs(frontier: Frontier) -> pd.DataFrame:
    """The frontier as rows for its chart, in log-likelihood: the negative of the loss."""

    def row(series: str, rung: Rung) -> dict:
        return {
            "series": series,
            "flops": rung.flops,
            "mean": -rung.mean,
            "low": -rung.most,
            "high": -rung.least,
            "n": rung.n_seeds,
            "firm": rung.firm,
        }

    rows = [row(series, rung) for series, line in frontier.lines.items() for rung in line]
    return pd.DataFrame(rows, columns=["series", "flops", "mean", "low", "high", "n", "firm"])


def _looks(names: Sequence[str]) -> Mapping[str, charts.Look]:
    """The look of each architecture, in the order of the registry."""
    known = [name for name in ARCHITECTURES if name in names]
    others = [name for name in dict.fromkeys(names) if name not in ARCHITECTURES]
    return {
        name: charts.of_architecture(name, wording.architecture(name)) for name in known + others
    }


def _caption(group: Group, frontier: Frontier, own: Sequence[charts.Mark], *, counted: bool) -> str:
    parts = ["Lower is better." if group.in_bits else "Higher is better."]
    if frontier:
        parts.append("Lines are means over seeds; bands reach from the worst seed to the best.")
        if any(not rung.firm for line in frontier.lines.values() for rung in line):
            parts.append("Hollow: fewer than three seeds.")
    if own:
        parts.append("Large: your runs.")
    if counted:
        parts.append("Dashed: counting n-grams, with no training FLOPs at all.")
    return f"{' '.join(parts)} {wording.NOT_COUNTED}"


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
