"""The chart of results: a mark per run or per mean over seeds, any result against anything."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from lm.architectures import ARCHITECTURES
from lm.base.looks import Look
from lm.charts import ends
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
from lm.charts.ends import End
from lm.charts.looks import look_scale


def results_chart(
    frame: pd.DataFrame,
    looks: Mapping[str, Look],
    *,
    x: str,
    y: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    height: int = HEIGHT,
    references: Mapping[str, float] | None = None,
) -> alt.LayerChart:
    """A mark for each run, or for each mean of several: its result `y` against `x`.

    Args:
        frame: A row per mark, with columns run_id, `x` and `y`. One without `y` is left out. If
            it has columns low, high and n, a row is the mean of n runs in an interval. If it has
            a column series, the marks of a series are joined where `x` is a number and each has
            but one of them at an x, and series are labelled in place of marks.
        looks: Run id -> how the mark is drawn and named; only these are drawn.
        x: A column of numbers or of names: what was spent or varied.
        y: A column of numbers: what came of it.
        x_title, y_title: Titles of the axes, with their units.
        log_x: Draw x on a logarithmic axis, if all of it is above 0.
        height: Pixels.
        references: Name -> y of dashed lines, drawn where they lie near the marks.
    """
    rows = frame[frame["run_id"].isin(list(looks))]
    extra = [name for name in ("low", "high", "n", "series") if name in rows]
    rows = rows[list(dict.fromkeys(["run_id", x, y, *extra]))].dropna(subset=[y])
    rows = rows.assign(run=[looks[run_id].label for run_id in rows["run_id"]])
    rows = rows.assign(color=[looks[run_id].color for run_id in rows["run_id"]])
    numbers = rows[x].dropna()
    is_number = pd.api.types.is_numeric_dtype(numbers) and not pd.api.types.is_bool_dtype(numbers)
    low, high = span(pd.concat([rows[name] for name in (y, "low", "high") if name in rows]))
    near = between(references or {}, low - NEAR, high + NEAR)
    y_domain = ends.padded(min([low, *near.values()]), max([high, *near.values()]))
    y_scale = alt.Scale(domain=list(y_domain), zero=False, nice=False)
    if is_number:
        rows = rows.dropna(subset=[x]).astype({x: "float64"})
        log_x = log_x and len(rows) > 0 and bool((rows[x] > 0).all())
        first, last = span(rows[x])
        x_domain = ends.with_room(first, last, log_x)
        scale = alt.Scale(type=scale_type(log_x), domain=list(x_domain), nice=False)
        horizontal = alt.X(f"{field(x)}:Q", scale=scale, axis=number_axis(x_title, log_x, rows[x]))
        tooltip = alt.Tooltip(f"{field(x)}:Q", title=x_title, format=".4~g")
        labels = _labels(rows, x, y, scale, y_domain, x_domain, log_x, height)
    else:
        rows = rows.assign(**{x: rows[x].astype(str)})
        order = list(ARCHITECTURES) if x == "architecture" else "ascending"
        horizontal = alt.X(f"{field(x)}:N", title=x_title, sort=order, axis=alt.Axis(labelAngle=0))
        tooltip = alt.Tooltip(f"{field(x)}:N", title=x_title)
        labels = []
    base = alt.Chart(rows).encode(x=horizontal, color=alt.Color("color:N", scale=None, legend=None))
    layers = [*reference_lines(labelled(near), y_scale), *labels]
    if is_number and _is_a_line(rows, x):
        layers.append(base.mark_line().encode(y=alt.Y(f"{field(y)}:Q"), detail="series:N"))
    if "low" in rows:
        bars = base.mark_rule(strokeWidth=2)
        layers.append(bars.encode(y=alt.Y("low:Q", scale=y_scale, title=y_title), y2="high:Q"))
    points = base.mark_point(filled=True, size=110, opacity=0.95).encode(
        y=alt.Y(f"{field(y)}:Q", scale=y_scale, title=y_title),
        shape=alt.Shape("run:N", scale=look_scale(looks.values(), "shape"), legend=None),
        tooltip=[
            alt.Tooltip("run:N", title="Run"),
            tooltip,
            alt.Tooltip(f"{field(y)}:Q", title=y_title, format=".4f"),
            *([alt.Tooltip("n:Q", title="Seeds")] if "n" in rows else []),
        ],
    )
    return layered(*layers, points).properties(height=height)


def _labels(
    rows: pd.DataFrame,
    x: str,
    y: str,
    x_scale: alt.Scale,
    y_domain: tuple[float, float],
    x_domain: tuple[float, float],
    log_x: bool,
    height: int,
) -> list[alt.Chart]:
    """Labels of series at their last mark or, where there are none, of marks."""
    axis = alt.X("x:Q", scale=x_scale)
    if "series" in rows:
        last = rows.sort_values(x).groupby("series", sort=False).tail(1)
        named = zip(last["series"], last["color"], last[x], last[y], strict=True)
    else:
        named = zip(rows["run"], rows["color"], rows[x], rows[y], strict=True)
    labels = [End(label=str(n), color=c, x=float(a), y=float(b)) for n, c, a, b in named]
    if len(labels) > ends.MOST:
        return []
    if "series" in rows:
        return ends.labels_of_lines(
            labels,
            {},
            x=axis,
            y_domain=y_domain,
            x_domain=x_domain,
            last=float(rows[x].max()),
            log_x=log_x,
            height=height,
        )
    return ends.labels_of_points(
        labels, x=axis, y_domain=y_domain, x_domain=x_domain, log_x=log_x, height=height
    )


def _is_a_line(rows: pd.DataFrame, x: str) -> bool:
    """Whether every series has at most one mark at an x, and some has several x."""
    if "series" not in rows:
        return False
    return not rows.duplicated(["series", x]).any() and bool(rows["series"].duplicated().any())


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
    return f"{y_title} of {runs}; best is {looks[row.run_id].label} with {float(row[y]):.3f}."
