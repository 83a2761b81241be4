"""Any quantity or setting against any result, each seed for itself or in the mean over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from lm import charts
from lm.runs import Run
from lm.runs.intervals import Interval
from lm.runs.table import COLUMNS, offered
from pages.common import runs_table, theme, wording
from pages.common.choosing import keep_among
from pages.common.components.chart import place
from pages.common.runs_table import Group

SEEDS = ("seed", "data_seed")
MOST_ROWS = 10  # of the table of means, before it scrolls
MOST_NAMED = 8  # marks that are named one by one; more are named by their colour


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
    if len(have) > MOST_NAMED:
        series = _series(checked, colours)
        have = have.assign(series=[series[run_id] for run_id in have["run_id"]])
    looks = {run_id: looks[run_id] for run_id in have["run_id"]}
    if means:
        looks = {
            run_id: replace(look, label=_without_seed(look.label)) for run_id, look in looks.items()
        }
    titles = {column.name: column.label for column in COLUMNS.values()}
    with st.container(key="setting-chart", gap="xxsmall"):
        place(
            charts.results_chart(
                have,
                looks,
                x=x,
                y=y,
                x_title=titles.get(x, x),
                y_title=titles[y],
                log_x=log_x,
            ),
            key="settings",
            alt=charts.describe_results(
                have,
                looks,
                y=y,
                y_title=titles[y],
                best="max" if COLUMNS[y].higher_is_better else "min",
            ),
        )
        if means and (have["n"] > 1).any():
            st.caption("Marks are means over seeds; bars are their 95 % intervals (Student's t).")
    if means:
        _table(have, looks, y, titles[y])


def _table(means: pd.DataFrame, looks: Mapping[str, charts.Look], y: str, y_title: str) -> None:
    """The marks of the chart in numbers: the mean of each group, its interval, and its seeds."""
    best_first = not COLUMNS[y].higher_is_better
    rows = means.sort_values(y, ascending=best_first)
    small, medium = (theme.column_width(size) for size in ("small", "medium"))
    st.dataframe(
        pd.DataFrame(
            {
                "Runs that differ by their seed alone": [
                    looks[run_id].label for run_id in rows["run_id"]
                ],
                "Mean": rows[y],
                "±": (rows["high"] - rows["low"]) / 2,
                "Seeds": rows["n"],
            }
        ),
        column_config={
            "Runs that differ by their seed alone": st.column_config.TextColumn(width=2 * medium),
            "Mean": st.column_config.NumberColumn(format="%.4f", width=small, help=y_title),
            "±": st.column_config.NumberColumn(
                format="%.4f", width=small, help="Half of the mean's 95 % interval (Student's t)."
            ),
            "Seeds": st.column_config.NumberColumn(width=small),
        },
        hide_index=True,
        width="content",
        placeholder="–",
        height="auto" if len(rows) > MOST_ROWS else "content",
        row_height=theme.row_height(),
        key="means",
        alt=f"{y_title}: means over seeds",
    )


def _series(runs: Sequence[Run], colours: Mapping[str, str]) -> dict[str, str]:
    """Run id -> the line that it is part of: its colour, apart with tables of n-grams and without.

    The tables are named where a colour stands for runs of both kinds.
    """
    tables = {run.run_id: wording.in_tables(run) for run in runs}
    kinds = {(colours[run_id], bool(n)) for run_id, n in tables.items()}
    both = {colour for colour, has in kinds if (colour, not has) in kinds}
    return {
        run_id: wording.with_tables(colours[run_id], n if colours[run_id] in both else 0)
        for run_id, n in tables.items()
    }


def _without_seed(label: str) -> str:
    """What is said of a run, without its seed."""
    parts = [part for part in label.split(", ") if not part.startswith(SEEDS)]
    return ", ".join(dict.fromkeys(parts)) or label


def _controls(group: Group, checked: Sequence[Run]) -> tuple[str, str, bool, bool]:
    """What is drawn: x, y, whether x is logarithmic, and whether seeds are averaged."""
    quantities = {column.name: column.label for column in offered("x")}
    varying = runs_table.varying(checked)
    options = [*quantities, *varying]
    results = {
        column.name: column.label
        for column in offered("y")
        if not (group.in_bits and column.per_token)
    }
    first = next((name for name in quantities if name != "flops"), options[0])
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
    counts once. Where x is a seed, or no number, the runs stay as they are.
    """
    if x in SEEDS or not pd.api.types.is_numeric_dtype(frame[x]):
        return frame.assign(n=1, low=None, high=None)
    settings = {run.run_id: runs_table.settings_of(run) for run in runs}
    same = pd.Series([str(settings[run_id]) for run_id in frame["run_id"]], index=frame.index)
    frame = frame[~same.duplicated()]
    alike = {
        run_id: str({name: value for name, value in of_run.items() if name not in SEEDS})
        for run_id, of_run in settings.items()
    }
    rows = []
    for _, members in frame.groupby([alike[run_id] for run_id in frame["run_id"]], sort=False):
        interval = Interval.of(members[y].astype(float).tolist())
        several = interval.n > 1
        rows.append(
            {
                "run_id": members["run_id"].iloc[0],
                x: float(members[x].astype(float).mean()),
                y: interval.mean,
                "low": interval.mean - interval.half_width if several else None,
                "high": interval.mean + interval.half_width if several else None,
                "n": interval.n,
            }
        )
    return pd.DataFrame(rows).astype({"low": "float64", "high": "float64"})
