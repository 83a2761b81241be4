"""Any quantity or setting against any result, each seed for itself or in the mean over seeds."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from lm import charts
from lm.base.glossary import meaning
from lm.runs import Run
from lm.runs.intervals import Interval
from lm.runs.table import COLUMNS, offered
from pages.common import runs_table, theme
from pages.common.choosing import keep_among
from pages.common.compare import choice
from pages.common.components.chart import place
from pages.common.runs_table import SEEDS, Group

MOST_ROWS = 10  # of the table of means, before it scrolls


def show(
    group: Group,
    checked: Sequence[Run],
    looks: Mapping[str, charts.Look],
    colours: Mapping[str, str],
) -> None:
    """The chart and its controls. `colours`: run id -> what its colour stands for."""
    x, y, log_x, means = _controls(group, checked)
    frame = runs_table.results(checked)
    have = frame.dropna(subset=[y, x]) if x in frame else frame.iloc[:0]
    if have.empty:
        st.caption("None of the checked runs has both yet.")
        return
    if means:
        have = over_seeds(have, checked, x, y)
    shown = [run for run in checked if run.run_id in set(have["run_id"])]
    seeds = SEEDS if means else ()
    labels = runs_table.labels(shown, seeds)
    series, along = series_along(shown, have, x, seeds)
    drawn = choice.named(shown, series, looks, colours, without=(*seeds, along))
    n_series = len(set(series.values()))
    if n_series == 1 and len(shown) > 1:  # the axis says what differs
        drawn = {run_id: replace(look, label="") for run_id, look in drawn.items()}
    titles = {column.name: column.label for column in COLUMNS.values()}
    with st.container(key="setting-chart", gap="xxsmall"):
        place(
            charts.results_chart(
                have,
                drawn,
                x=x,
                y=y,
                x_title=titles.get(x, x),
                y_title=titles[y],
                log_x=log_x,
                joined=n_series <= choice.MOST_NAMED,
            ),
            key="settings",
            alt=charts.describe_results(
                have,
                {run_id: charts.Look("", label=label) for run_id, label in labels.items()},
                y=y,
                y_title=titles[y],
                best="max" if COLUMNS[y].higher_is_better else "min",
            ),
        )
        if means and (have["n"] > 1).any():
            st.caption("Marks are means over seeds; bars are their 95 % intervals (Student's t).")
    if means:
        _table(have, labels, y, titles[y])


def _table(means: pd.DataFrame, labels: Mapping[str, str], y: str, y_title: str) -> None:
    """The marks of the chart in numbers, the best first."""
    rows = means.sort_values(y, ascending=not COLUMNS[y].higher_is_better)
    small, medium = (theme.column_width(size) for size in ("small", "medium"))
    alike = "Runs that differ by their seed alone"
    number = functools.partial(st.column_config.NumberColumn, width=small)
    st.dataframe(
        pd.DataFrame(
            {
                alike: [labels[run_id] for run_id in rows["run_id"]],
                "Mean": rows[y],
                "±": (rows["high"] - rows["low"]) / 2,
                "Seeds": rows["n"],
            }
        ),
        column_config={
            alike: st.column_config.TextColumn(width=2 * medium),
            "Mean": number(format="%.4f", help=y_title),
            "±": number(format="%.4f", help=f"Half of it. {meaning('interval')}"),
            "Seeds": number(),
        },
        hide_index=True,
        width="content",
        placeholder="–",
        height="auto" if len(rows) > MOST_ROWS else "content",
        row_height=theme.row_height(),
        key="means",
        alt=f"{y_title}: means over seeds",
    )


def series_along(
    runs: Sequence[Run], frame: pd.DataFrame, x: str, without: Collection[str]
) -> tuple[dict[str, str], str]:
    """Run id -> its series, and the setting along which series go.

    Runs of a series differ by that setting alone (and by what a recipe makes of it, and by the
    settings `without`), so that a line through them says what it is worth. Where x is a setting, it
    is this one. Where x is a quantity, it is an amount that x varies with, but no budget: with that
    a recipe changes everything else. If there is no such setting, each run stands alone.
    """
    parts = runs_table.telling(runs, without)
    settings = {run.run_id: runs_table.settings_of(run) for run in runs}
    names = list(dict.fromkeys(name for of_run in parts.values() for name in of_run))
    amounts = [
        name
        for name in names
        if all(type(of_run.get(name, 0)) in (int, float) for of_run in settings.values())
        and name != "budget"
    ]
    at = dict(zip(frame["run_id"], frame[x], strict=True))
    for along in [x] if x in names else amounts:
        series = {
            run_id: str({name: said for name, said in of_run.items() if name != along})
            for run_id, of_run in parts.items()
        }
        marks = {(series[run_id], at[run_id]) for run_id in series}
        if len(marks) == len(runs) > len(set(series.values())):
            return series, along
    return {run_id: run_id for run_id in settings}, ""


def _controls(group: Group, checked: Sequence[Run]) -> tuple[str, str, bool, bool]:
    """What is drawn: x, y, whether x is logarithmic, and whether seeds are averaged."""
    quantities = {column.name: column.label for column in offered("x")}
    results = {
        column.name: column.label
        for column in offered("y")
        if not (group.in_bits and column.per_token)
    }
    varying, varied = runs_table.varying(checked), runs_table.varied(checked)
    options = [*quantities, *varying]
    first = "flops" if "budget" in varied else next(iter(varied), "flops")
    keep_among("setting", options, otherwise=first)
    keep_among("result", results, otherwise="val_bits_per_char" if group.in_bits else "val_loss")
    with st.container(horizontal=True, vertical_alignment="bottom", key="relate"):
        x = st.selectbox(
            "Against",
            options,
            key="setting",
            format_func=lambda name: str(quantities.get(name, name)),
            persist_state="session",
            width=280,
        )
        y = st.selectbox(
            "Result",
            list(results),
            key="result",
            format_func=lambda name: results[name],
            persist_state="session",
            width=340,
        )
        log_x = st.toggle("Log x", value=True, key="setting_log", persist_state="session")
        means = any(name in SEEDS for name in varying) and st.toggle(
            "Mean over seeds",
            value=True,
            key="over_seeds",
            persist_state="session",
            help="Runs that differ by their seed alone become one mark.",
        )
    return x, y, log_x, means


def over_seeds(frame: pd.DataFrame, runs: Sequence[Run], x: str, y: str) -> pd.DataFrame:
    """A row for each group of runs that differ by their seeds alone.

    Columns run_id (that of the first), x and y (means), low and high (the ends of the 95 %
    interval of the mean; missing for one seed) and n. A run that is there twice, seed and all,
    counts once. Where x is a seed, the runs stay as they are.
    """
    if x in SEEDS:
        return frame.assign(n=1, low=None, high=None)
    by_id = {run.run_id: run for run in runs}
    frame = frame.assign(
        all_settings=[str(runs_table.settings_of(by_id[run_id])) for run_id in frame["run_id"]],
        without_seed=[runs_table.without_seed(by_id[run_id]) for run_id in frame["run_id"]],
    ).drop_duplicates("all_settings")
    is_number = pd.api.types.is_numeric_dtype(frame[x]) and frame[x].dtype != bool
    rows = []
    for _, members in frame.groupby("without_seed", sort=False):
        interval = Interval.of(members[y].astype(float).tolist())
        half_width = interval.half_width if interval.n > 1 else math.nan
        rows.append(
            {
                "run_id": members["run_id"].iloc[0],
                x: float(members[x].mean()) if is_number else members[x].iloc[0],
                y: interval.mean,
                "low": interval.mean - half_width,
                "high": interval.mean + half_width,
                "n": interval.n,
            }
        )
    return pd.DataFrame(rows)
