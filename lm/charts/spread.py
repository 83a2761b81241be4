"""Results over seeds: a dot per run, a mark for their mean, a bar for their spread.

`spread_figure` puts several plots into one figure for print. On a page each plot is a chart of its
own, which `spread_plots` gives: it takes the width of its place and says more under the pointer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from lm.charts.data import padded, span
from lm.charts.looks import by_label, cues, series_scale
from lm.charts.printing import PLOT_WIDTH, print_title
from lm.runs.intervals import LEAST_SEEDS

MOST_TICKS = 9  # with more values, round numbers are the ticks
TICKS = 6
GAP = 70  # pixels between panels, for the axis of the second
LEGEND_COLUMNS = 4
LETTER, SYMBOL = 7, 36  # pixels in a legend: of a letter, and of a symbol with its margins
IN_LINES: dict[str, Any] = {
    "labelExpr": "width < 420 ? split(datum.label, ' ') : datum.label"
}  # names along x
LONG = 30  # letters of a name in a legend, from which on a phone breaks it at its colon
BROKEN = f"width < 420 && length(datum.label) > {LONG} ? split(datum.label, ': ') : datum.label"
SPREAD_READING = (
    "Dots are runs, bars reach from the lowest to the highest seed, and means of fewer than "
    "three seeds are hollow."
)


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


def spread_plots(
    panels: Sequence[Panel], looks: Mapping[str, Look], *, height: int = 300
) -> list[alt.LayerChart]:
    """The plots of such a figure for a page: charts as wide as their place, `height` pixels high.

    A legend names only what is in its plot, and marks say under the pointer what they are.
    """
    plots = []
    for panel in panels:
        present = set(panel.frame["series"])
        own = {name: look for name, look in looks.items() if name in present}
        plot = _plot(panel, own, live=True)
        plots.append(plot.properties(width="container", height=height))
    return plots


def _plot(panel: Panel, looks: Mapping[str, Look], live: bool = False) -> alt.LayerChart:
    rows = panel.frame[["x", "y", "series"]].dropna()
    rows = rows.assign(series=[looks[name].label for name in rows["series"]])
    spread = rows.groupby(["series", "x"], sort=False)["y"].agg(
        mean="mean", low="min", high="max", n="count"
    )
    spread = spread.reset_index()
    by_name = by_label(looks.values())
    color, _, shape = cues("series", by_name, _legend(looks, live))
    _, dash, _ = cues("series", by_name)
    x = _horizontal(panel, rows, live)
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
    if live:
        dots = dots.encode(tooltip=_tooltip(panel, rows, y="Run"))
        means = means.encode(tooltip=_tooltip(panel, rows, mean="Mean", n="Seeds"))
        bars = bars.encode(tooltip=_tooltip(panel, rows, low="Lowest seed", high="Highest seed"))
    inside: Any = alt.expr("background") if live else "white"
    filled = means.mark_point(size=75, filled=True, opacity=1).encode(color=color)
    hollow = means.mark_point(size=75, filled=True, opacity=1, strokeWidth=2, fill=inside).encode(
        stroke=alt.Stroke("series:N", scale=series_scale(by_name, "color"), legend=None)
    )
    few = alt.datum.n < (0 if panel.exact else LEAST_SEEDS)
    return layered(
        *reference_lines(panel.references or {}, scale),
        *(lines if panel.line else []),
        bars,
        filled.transform_filter(~few),
        hollow.transform_filter(few),
        dots,
    )


def _legend(looks: Mapping[str, Look], live: bool) -> alt.Legend | None:
    """The legend above a plot; on a page, in as many columns as there is room for."""
    if len(looks) < 2:
        return None
    settings: dict[str, Any] = {"columns": LEGEND_COLUMNS}
    if live:
        longest = SYMBOL + LETTER * max(len(look.label) for look in looks.values())
        columns = alt.expr(f"clamp(floor(width / {longest}), 1, {LEGEND_COLUMNS})")
        settings = {"columns": columns, "labelExpr": BROKEN}
    return alt.Legend(title=None, orient="top", symbolStrokeWidth=0, **settings)


def _tooltip(panel: Panel, rows: pd.DataFrame, **titles: str) -> list[alt.Tooltip]:
    """What is said of a mark: its series, its x, and its columns by their titles."""
    number = pd.api.types.is_numeric_dtype(rows["x"])
    x = alt.Tooltip("x:Q", format=".3~g") if number else alt.Tooltip("x:N")
    values = {
        name: alt.Tooltip(f"{name}:Q", title=title, format=("d" if name == "n" else ".4~g"))
        for name, title in titles.items()
    }
    series = alt.Tooltip("series:N", title="Series")
    return [series, x.title(panel.x_title or "At"), *values.values()]


def _vertical(panel: Panel, rows: pd.DataFrame) -> tuple[alt.Axis, alt.Scale]:
    low, high = span(pd.concat([rows["y"], pd.Series(panel.references or {}, dtype=float)]))
    domain = panel.y_domain or padded(low, high, 0.07)
    decimals = max(2, math.ceil(math.log10(TICKS / (domain[1] - domain[0]))))
    axis = alt.Axis(title=panel.y_title, format=panel.y_format or f".{decimals}f", tickCount=TICKS)
    log_y = panel.log_y and low > 0
    if log_y:
        margin = max(high / low, 1.1) ** 0.1
        domain = (low / margin, high * margin)
        axis = alt.Axis(title=panel.y_title, format="~g", values=log_ticks(*domain))
    scale = alt.Scale(type=scale_type(log_y), domain=list(domain), zero=False, nice=False)
    return axis, scale


def _horizontal(panel: Panel, rows: pd.DataFrame, live: bool) -> alt.X:
    if not pd.api.types.is_numeric_dtype(rows["x"]):
        return alt.X(
            "x:N",
            sort=list(panel.order) if panel.order else None,
            scale=alt.Scale(padding=0.6),
            axis=alt.Axis(title=panel.x_title, labelAngle=0, **(IN_LINES if live else {})),
        )
    values = sorted(set(rows["x"].astype(float)))
    log_x = panel.log_x and min(values, default=0.0) > 0
    if values and values[-1] >= LARGE:
        axis = powers_axis(panel.x_title, values=powers_of_ten(values), labelOverlap=True)
    else:
        axis = alt.Axis(
            title=panel.x_title,
            labelOverlap=True,
            format="~g",
            labelExpr=PLAIN_POWERS,
            **_ticks(values, log_x),
        )
    scale = alt.Scale(type=scale_type(log_x), zero=False, nice=False, padding=14)
    return alt.X("x:Q", scale=scale, axis=axis)


def _ticks(values: Sequence[float], log_x: bool) -> dict[str, Any]:
    """Every value where there are few; else round numbers, which Vega chooses on a linear axis."""
    if len(values) <= MOST_TICKS:
        return {"values": list(values)}
    return {"values": log_ticks(values[0], values[-1])} if log_x else {}
