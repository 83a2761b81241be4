"""Results over seeds, for print: a dot per run, a mark for their mean, a bar for their spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.charts.axes import (
    LARGE,
    PLAIN_POWERS,
    layered,
    log_ticks,
    powers_axis,
    powers_of_ten,
    reference_lines,
    scale_type,
)
from lm.charts.data import span
from lm.charts.looks import look_scale
from lm.charts.printing import PLOT_WIDTH, print_title

LEAST_SEEDS = 3  # from which on a mean is drawn solid, and a difference may be claimed
MOST_TICKS = 9  # with more values, round numbers are the ticks
TICKS = 6
GAP = 70  # pixels between panels, for the axis of the second
HOLLOW = "white"  # what fills the mark of a mean over too few seeds


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of a figure of results over seeds.

    `frame` has a row per run with columns x, y and series. `line` joins the means, which makes
    sense where x is an amount and not a name.
    """

    frame: pd.DataFrame
    x_title: str
    y_title: str
    log_x: bool = False
    log_y: bool = False
    line: bool = True
    order: Sequence[str] | None = None  # of names along x
    y_format: str | None = None  # by default as many decimals as tell the ticks apart
    y_domain: tuple[float, float] | None = None
    references: Mapping[str, float] | None = None  # what is written on a line -> y
    exact: bool = False  # no seed changes these numbers, so that one is enough


def spread_figure(
    panels: Sequence[Panel],
    looks: Mapping[str, Look],
    *,
    columns: int = 2,
    height: int = 300,
    title: str = "",
) -> alt.Chart | alt.LayerChart | alt.ConcatChart:
    """A figure of results over seeds: a dot per run, and a bar from the lowest to the highest.

    Args:
        panels: The plots, in reading order.
        looks: Series -> how it is drawn and named.
        columns: Panels beside each other, at most.
        height: Pixels of each panel.
        title: Stands over the whole figure.

    A mean over fewer than LEAST_SEEDS seeds is drawn hollow.
    """
    columns = min(columns, len(panels))
    width = (PLOT_WIDTH - (columns - 1) * GAP) // columns
    plots = [_plot(panel, looks).properties(width=width, height=height) for panel in panels]
    figure = plots[0] if len(plots) == 1 else alt.concat(*plots, columns=columns, spacing=28)
    return figure.properties(title=print_title(title)) if title else figure


def _plot(panel: Panel, looks: Mapping[str, Look]) -> alt.LayerChart:
    rows = panel.frame[["x", "y", "series"]].dropna()
    rows = rows.assign(series=[looks[name].label for name in rows["series"]])
    spread = rows.groupby(["series", "x"], sort=False)["y"].agg(
        mean="mean", low="min", high="max", n="count"
    )
    spread = spread.reset_index()

    def legend() -> alt.Legend | None:
        if len(looks) == 1:
            return None
        return alt.Legend(title=None, orient="top", columns=4, symbolStrokeWidth=0)

    colors = look_scale(looks.values(), "color")
    color = alt.Color("series:N", scale=colors, legend=legend())
    dash = alt.StrokeDash("series:N", scale=look_scale(looks.values(), "dash"), legend=None)
    shape = alt.Shape("series:N", scale=look_scale(looks.values(), "shape"), legend=legend())
    x = _horizontal(panel, rows)
    axis, scale = _vertical(panel, rows)

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", scale=scale, axis=axis)

    several = rows.groupby(["series", "x"])["y"].transform("count") > 1
    dots = (
        alt.Chart(rows[several])
        .mark_circle(size=22, opacity=0.45)
        .encode(x=x, y=y("y"), color=color)
    )
    base = alt.Chart(spread).encode(x=x, color=color)
    bars = base.mark_rule(strokeWidth=2).encode(y=y("low"), y2="high:Q")
    lines = [base.mark_line(strokeWidth=2).encode(y=y("mean"), strokeDash=dash)]
    means = alt.Chart(spread).encode(x=x, y=y("mean"), shape=shape)
    filled = means.mark_point(size=75, filled=True, opacity=1).encode(color=color)
    hollow = means.mark_point(size=75, filled=True, opacity=1, strokeWidth=2, fill=HOLLOW).encode(
        stroke=alt.Stroke("series:N", scale=colors, legend=None)
    )
    few = alt.datum.n < (0 if panel.exact else LEAST_SEEDS)
    return layered(
        *reference_lines(panel.references or {}, scale, side="left"),
        *(lines if panel.line else []),
        bars,
        filled.transform_filter(~few),
        hollow.transform_filter(few),
        dots,
    )


def _vertical(panel: Panel, rows: pd.DataFrame) -> tuple[alt.Axis, alt.Scale]:
    low, high = span(pd.concat([rows["y"], pd.Series(panel.references or {}, dtype=float)]))
    margin = 0.07 * (high - low) or 0.05
    domain = panel.y_domain or (low - margin, high + margin)
    decimals = max(2, math.ceil(math.log10(TICKS / (domain[1] - domain[0]))))
    axis = alt.Axis(title=panel.y_title, format=panel.y_format or f".{decimals}f", tickCount=TICKS)
    if panel.log_y:
        domain = (low / (high / low) ** 0.1, high * (high / low) ** 0.1)
        axis = alt.Axis(title=panel.y_title, format="~g", values=log_ticks(*domain))
    scale = alt.Scale(type=scale_type(panel.log_y), domain=list(domain), zero=False, nice=False)
    return axis, scale


def _horizontal(panel: Panel, rows: pd.DataFrame) -> alt.X:
    if not pd.api.types.is_numeric_dtype(rows["x"]):
        return alt.X(
            "x:N",
            sort=list(panel.order) if panel.order else None,
            scale=alt.Scale(padding=0.6),
            axis=alt.Axis(title=panel.x_title, labelAngle=0),
        )
    values = sorted(set(rows["x"].astype(float)))
    if values and values[-1] >= LARGE:
        axis = powers_axis(panel.x_title, values=powers_of_ten(values), labelOverlap=True)
    else:
        axis = alt.Axis(
            title=panel.x_title,
            values=values if len(values) <= MOST_TICKS else log_ticks(values[0], values[-1]),
            labelOverlap=True,
            format="~g",
            labelExpr=PLAIN_POWERS,
        )
    scale = alt.Scale(type=scale_type(panel.log_x), zero=False, nice=False, padding=14)
    return alt.X("x:Q", scale=scale, axis=axis)
