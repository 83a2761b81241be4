"""Results of runs: anything against anything, a mark per run."""

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
from lm.charts.looks import legend, look_scale, with_legend


def results_chart(
    frame: pd.DataFrame,
    shown: Mapping[str, Look],
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
    """A mark per run: column `y` against column `x`, numbers or names, of `frame`.

    `frame` has a row per run and column run_id; runs that are not in `shown`, or lack a value, are
    left out. Used for test log-likelihood against training FLOPs and for any setting against any
    result. `references`, name -> y, are dashed lines where they lie near the runs.
    """
    rows = frame[frame["run_id"].isin(list(shown))]
    keep = list(dict.fromkeys(["run_id", x, y]))
    rows = rows[keep].dropna(subset=[y])
    rows = rows.assign(run=[shown[run_id].label for run_id in rows["run_id"]])
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
        told = alt.Tooltip(f"{field(x)}:Q", title=x_title, format=".4~g")
    else:
        rows = rows.assign(**{x: rows[x].astype(str)})
        order = list(ARCHITECTURES) if x == "architecture" else "ascending"
        horizontal = alt.X(f"{field(x)}:N", title=x_title, sort=order, axis=alt.Axis(labelAngle=0))
        told = alt.Tooltip(f"{field(x)}:N", title=x_title)
    height = with_legend(height, shown)
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, size=130, opacity=0.95)
        .encode(
            x=horizontal,
            y=alt.Y(
                f"{field(y)}:Q", scale=alt.Scale(zero=False, nice=True, padding=18), title=y_title
            ),
            color=alt.Color(
                "run:N", scale=look_scale(shown.values(), "color"), legend=legend(title, shown)
            ),
            shape=alt.Shape(
                "run:N", scale=look_scale(shown.values(), "shape"), legend=legend(title, shown)
            ),
            tooltip=[
                alt.Tooltip("run:N", title="Run"),
                told,
                alt.Tooltip(f"{field(y)}:Q", title=y_title, format=".4f"),
            ],
        )
        .properties(height=height)
    )
    low, high = span(rows[y])
    lines = reference_lines(labelled(between(references or {}, low - NEAR, high + NEAR)))
    return layered(points, *lines).properties(height=height) if lines else points


def describe_results(
    frame: pd.DataFrame, shown: Mapping[str, Look], *, y: str, y_title: str, best: str = "max"
) -> str:
    """What a results chart shows, as a sentence: how many runs, and the best."""
    rows = frame[frame["run_id"].isin(list(shown))].dropna(subset=[y])
    if rows.empty:
        return f"{y_title}: no run to show yet."
    values = rows[y].astype(float)
    row = rows.iloc[int(values.argmax() if best == "max" else values.argmin())]
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    return f"{y_title} of {runs}; best is {shown[row.run_id].label} with {float(row[y]):.3f}."
