"""The chart of results: a mark per run or per mean over seeds, any result against anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd

from lm.architectures import ARCHITECTURES
from lm.base.looks import Look
from lm.charts import ends
from lm.charts.axes import (
    AXIS_HEIGHT,
    HEIGHT,
    NEAR,
    between,
    labelled,
    layered,
    number_axis,
    reference_lines,
)
from lm.charts.data import span
from lm.charts.ends import End
from lm.charts.looks import by_label, cues


def field(name: str) -> str:
    """A column's name in Vega's syntax, where a dot means a part of an object."""
    return name.replace(".", "\\.")


def results_chart(
    frame: pd.DataFrame,
    looks: Mapping[str, Look],
    *,
    x: str,
    y: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    joined: bool = False,
    height: int = HEIGHT,
    references: Mapping[str, float] | None = None,
) -> alt.LayerChart:
    """A mark for each run, or for each mean of several: its result `y` against `x`.

    Args:
        frame: A row per mark, with columns run_id, `x` and `y`. One without a finite `y` is left
            out. If it has columns low, high and n, a row is the mean of n runs in an interval.
        looks: Run id -> how the mark is drawn and named; only these are drawn. Marks of one name
            are named once; one that is called "" has no name.
        x: A column of numbers or of names: what was spent or varied.
        y: A column of numbers: what came of it.
        x_title, y_title: Titles of the axes, with their units.
        log_x: Draw x on a logarithmic axis, if all of it is above 0.
        joined: Join the marks of one name by a line, where x is a number.
        height: Pixels of the chart without a legend, which adds to them.
        references: Name -> y of dashed lines, drawn where they lie near the marks.

    Names stand beside the marks, or in a legend where they would lie on each other.
    """
    rows = frame[frame["run_id"].isin(list(looks))]
    extra = [name for name in ("low", "high", "n") if name in rows]
    rows = rows[list(dict.fromkeys(["run_id", x, y, *extra]))]
    rows = rows[np.isfinite(rows[y].astype(float))]
    rows = rows.assign(run=[looks[run_id].label for run_id in rows["run_id"]])
    rows = rows.assign(color=[looks[run_id].color for run_id in rows["run_id"]])
    numbers = rows[x].dropna()
    is_number = pd.api.types.is_numeric_dtype(numbers) and not pd.api.types.is_bool_dtype(numbers)
    low, high = span(pd.concat([rows[name] for name in (y, "low", "high") if name in rows]))
    near = between(references or {}, low - NEAR, high + NEAR)
    ys = pd.Series([low, high, *near.values()])
    height -= AXIS_HEIGHT
    shown = [looks[run_id] for run_id in rows["run_id"]]
    labels: list[alt.Chart] = []
    if is_number:
        rows = rows.dropna(subset=[x]).astype({x: "float64"}).sort_values(x, kind="stable")
        log_x = log_x and len(rows) > 0 and bool((rows[x] > 0).all())
        axes, labels = _named(rows, x, y, ends.frame_of(rows[x], ys, log_x=log_x, height=height))
        axis = number_axis(x_title, log_x, rows[x])
        horizontal = alt.X(f"{field(x)}:Q", scale=axes.x_scale, axis=axis)
        tooltip = alt.Tooltip(f"{field(x)}:Q", title=x_title, format=".4~g")
    else:
        titles = {a.name: a.title for a in ARCHITECTURES.values()} if x == "architecture" else {}
        rows = rows.assign(**{x: [titles.get(value, str(value)) for value in rows[x]]})
        axes = ends.frame_of(pd.Series([0.0, 1.0]), ys, log_x=False, height=height)
        order = list(titles.values()) or "ascending"
        horizontal = alt.X(f"{field(x)}:N", title=x_title, sort=order, axis=alt.Axis(labelAngle=0))
        tooltip = alt.Tooltip(f"{field(x)}:N", title=x_title)
    y_scale = axes.y_scale
    legend = ends.legend(shown, axes)
    color, _, shape = cues("run", by_label(looks.values()), legend)
    base = alt.Chart(rows).encode(x=horizontal, color=color)
    layers = [*reference_lines(labelled(near), y_scale), *labels]
    if joined and is_number:
        layers.append(base.mark_line().encode(y=alt.Y(f"{field(y)}:Q", scale=y_scale)))
    if "low" in rows:
        bars = base.mark_rule(strokeWidth=2)
        layers.append(bars.encode(y=alt.Y("low:Q", scale=y_scale, title=y_title), y2="high:Q"))
    points = base.mark_point(filled=True, size=110, opacity=0.95).encode(
        y=alt.Y(f"{field(y)}:Q", scale=y_scale, title=y_title),
        shape=shape,
        tooltip=[
            *([alt.Tooltip("run:N", title="Run")] if any(rows["run"]) else []),
            tooltip,
            alt.Tooltip(f"{field(y)}:Q", title=y_title, format=".4f"),
            *([alt.Tooltip("n:Q", title="Seeds")] if "n" in rows else []),
        ],
    )
    return ends.under_legend(layered(*layers, points), axes)


def _named(
    rows: pd.DataFrame, x: str, y: str, axes: ends.Frame
) -> tuple[ends.Frame, list[alt.Chart]]:
    """The names beside the last mark of each name, if they have room, and the room they take."""
    last = rows[rows["run"] != ""].groupby("run", sort=False).tail(1)
    marks = [
        End(label=str(name), color=color, x=at, y=value)
        for name, color, at, value in zip(
            last["run"], last["color"], last[x], last[y].astype(float), strict=True
        )
    ]
    if not marks or not ends.points_have_room(marks, axes):
        return axes, []
    axes = replace(axes, room=ends.room_for(mark.label for mark in marks), or_legend=True)
    return axes, ends.labels_of_points(marks, x=alt.X("x:Q", scale=axes.x_scale), frame=axes)


def describe_results(
    frame: pd.DataFrame, looks: Mapping[str, Look], *, y: str, y_title: str, best: str = "max"
) -> str:
    """What a chart of results shows, as a sentence: how many marks, and the best.

    `best` is "max" or "min": which end of `y` is the good one.
    """
    rows = frame[frame["run_id"].isin(list(looks))].dropna(subset=[y])
    if rows.empty:
        return f"{y_title}: no run to show yet."
    values = rows[y].astype(float)
    row = rows.iloc[int(values.argmax() if best == "max" else values.argmin())]
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    name = looks[row.run_id].label
    return f"{y_title} of {runs}; best is {name and f'{name} with '}{float(row[y]):.3f}."
