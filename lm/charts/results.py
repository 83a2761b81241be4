"""The chart of results: a mark per run, any result against any cost or setting."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from lm.architectures import ARCHITECTURES
from lm.base.looks import Look
from lm.charts.axes import (
    HEIGHT,
    NEAR,
    between,
    field,
    labelled,
    layered,
    number_axis,
    reference_lines,
    scale_type,
)
from lm.charts.data import span
from lm.charts.looks import told_apart, with_legend


def results_chart(
    frame: pd.DataFrame,
    looks: Mapping[str, Look],
    *,
    x: str,
    y: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    title: str | None = None,
    height: int = HEIGHT,
    references: Mapping[str, float] | None = None,
) -> alt.Chart | alt.LayerChart:
    """A mark for each run: its result `y` against `x`.

    Args:
        frame: A row per run, with columns run_id, `x` and `y`. A run without `y` is left out.
        looks: Run id -> how the run is drawn and named; only these runs are drawn.
        x: A column of numbers or of names: what was spent or varied.
        y: A column of numbers: what came of it.
        x_title, y_title: Titles of the axes, with their units.
        log_x: Draw x on a logarithmic axis, if all of it is above 0.
        title: Title of the legend.
        height: Pixels, without the legend.
        references: Name -> y of dashed lines, drawn where they lie near the runs.
    """
    rows = frame[frame["run_id"].isin(list(looks))]
    keep = list(dict.fromkeys(["run_id", x, y]))
    rows = rows[keep].dropna(subset=[y])
    rows = rows.assign(run=[looks[run_id].label for run_id in rows["run_id"]])
    numbers = rows[x].dropna()
    is_number = pd.api.types.is_numeric_dtype(numbers) and not pd.api.types.is_bool_dtype(numbers)
    if is_number:
        rows = rows.dropna(subset=[x]).astype({x: "float64"})
        log_x = log_x and bool((rows[x] > 0).all())
        horizontal = alt.X(
            f"{field(x)}:Q",
            scale=alt.Scale(type=scale_type(log_x), zero=False, nice=True, padding=18),
            axis=number_axis(x_title, log_x, rows[x]),
        )
        tooltip = alt.Tooltip(f"{field(x)}:Q", title=x_title, format=".4~g")
    else:
        rows = rows.assign(**{x: rows[x].astype(str)})
        order = list(ARCHITECTURES) if x == "architecture" else "ascending"
        horizontal = alt.X(f"{field(x)}:N", title=x_title, sort=order, axis=alt.Axis(labelAngle=0))
        tooltip = alt.Tooltip(f"{field(x)}:N", title=x_title)
    height = with_legend(height, looks)
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, size=130, opacity=0.95)
        .encode(
            x=horizontal,
            y=alt.Y(
                f"{field(y)}:Q", scale=alt.Scale(zero=False, nice=True, padding=18), title=y_title
            ),
            **told_apart(looks, "shape", title),
            tooltip=[
                alt.Tooltip("run:N", title="Run"),
                tooltip,
                alt.Tooltip(f"{field(y)}:Q", title=y_title, format=".4f"),
            ],
        )
        .properties(height=height)
    )
    low, high = span(rows[y])
    lines = reference_lines(labelled(between(references or {}, low - NEAR, high + NEAR)))
    return layered(points, *lines).properties(height=height) if lines else points


def describe_results(
    frame: pd.DataFrame, looks: Mapping[str, Look], *, y: str, y_title: str, best: str = "max"
) -> str:
    """What a chart of results shows, as a sentence: how many runs, and the best.

    `best` is "max" or "min": which end of `y` is the good one.
    """
    rows = frame[frame["run_id"].isin(list(looks))].dropna(subset=[y])
    if rows.empty:
        return f"{y_title}: no run to show yet."
    values = rows[y].astype(float)
    row = rows.iloc[int(values.argmax() if best == "max" else values.argmin())]
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    return f"{y_title} of {runs}; best is {looks[row.run_id].label} with {float(row[y]):.3f}."
