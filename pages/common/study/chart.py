"""The chart of a sweep, which fills as its runs complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
import streamlit as st

from lm import charts
from lm.runs.table import COLUMNS
from pages.common.choosing import keep_among
from pages.common.components.chart import draw
from pages.common.study import sweeps

MOST_LINES = 12  # of a chart that can still be read
RESULTS = {name: COLUMNS[name].label for name in ("test_log_likelihood", "val_loss")}
FLOPS = "flops"


def show(rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw a result against FLOPs or a setting; `names` are the settings in which runs differ."""
    against = [FLOPS, *(name for name in names if name != sweeps.BUDGET)]
    if len(against) > 1 and sweeps.BUDGET not in names and rows[FLOPS].nunique() < 2:
        against = against[1:]
    first = FLOPS if sweeps.BUDGET in names else next(iter(against[1:]), against[0])
    keep_among("sweep_x", against, otherwise=first)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        x = st.selectbox(
            "Against",
            against,
            key="sweep_x",
            format_func=lambda name: "Training FLOPs" if name == FLOPS else sweeps.short(name),
            width=240,
        )
        y = st.selectbox(
            "Result",
            list(RESULTS),
            key="sweep_y",
            format_func=lambda name: RESULTS[name],
            persist_state="session",
            width=320,
        )
    along = sweeps.BUDGET if x == FLOPS and sweeps.BUDGET in names else x
    others = [name for name in names if name != along]
    series = [
        sweeps.series(row, others) for row in cast(list[dict[str, Any]], rows.to_dict("records"))
    ]
    lines = list(dict.fromkeys(series))
    drawn = lines[:MOST_LINES]
    column = rows[along]
    numbers = pd.api.types.is_numeric_dtype(column) and column.dtype != bool
    data = pd.DataFrame(
        {"x": column if numbers else column.astype(str), "y": rows[y], "series": series}
    )
    titles = {FLOPS: "Training FLOPs", sweeps.BUDGET: "Training FLOPs (budget)"}
    (chart,) = charts.spread_plots(
        [
            charts.Panel(
                frame=data[data["series"].isin(drawn)],
                x_title=titles.get(along, sweeps.short(along)),
                y_title=RESULTS[y],
                log_x=bool(numbers and (column > 0).all()),
                line=bool(numbers),
            )
        ],
        _looks(rows, drawn, series, others),
        height=380,
    )
    best: Any = rows.iloc[int(rows[y].argmin() if y == "val_loss" else rows[y].argmax())]
    draw(
        chart,
        key="sweep-chart",
        alt=f"{RESULTS[y]} of {len(rows)} runs in {len(lines)} lines against "
        f"{titles.get(along, sweeps.short(along))}; the best is {best[y]:.3f}, "
        f"{sweeps.series(best, names)}",
    )
    st.caption(
        charts.SPREAD_READING
        + (f" The first {MOST_LINES} of {len(lines)} lines." if len(lines) > MOST_LINES else "")
    )


def _looks(
    rows: pd.DataFrame, drawn: Sequence[str], series: Sequence[str], others: Sequence[str]
) -> dict[str, charts.Look]:
    """Series -> look: an architecture's own where series differ by it alone, else the palette's."""
    labels = {name: name for name in drawn}
    if list(others) == ["architecture"]:
        architectures = dict(zip(series, rows["architecture"], strict=True))
        return charts.run_looks({name: architectures[name] for name in drawn}, labels)
    return charts.run_looks(labels, labels)
