"""Loss curves over several seeds: their mean, in a band that holds all of them."""

from __future__ import annotations

import altair as alt
import pandas as pd

from lm.charts.axes import X_TITLES, layered, powers_axis, powers_of_ten
from lm.charts.data import padded, span
from lm.charts.printing import PLOT_WIDTH, print_title

TRAINING, VALIDATION = "training", "validation, sampled"
BAND_READING = "Lines are means over seeds, in a band from the lowest to the highest."


def curve_figure(
    curves: pd.DataFrame, *, color: str, title: str, height: int = 300
) -> alt.LayerChart:
    """Training and validation loss against FLOPs: the mean over seeds, in a band of all seeds.

    `curves` has columns flops, curve (`TRAINING` or `VALIDATION`), and mean, low and high, which
    are nats per token.
    """
    plot = _plot(curves, color)
    return plot.properties(width=PLOT_WIDTH, height=height, title=print_title(title))


def curve_plot(curves: pd.DataFrame, *, color: str, height: int = 380) -> alt.LayerChart:
    """The same for a page, as wide as its place; its lines say their values under the pointer."""
    x_title = X_TITLES["flops"]
    tooltip = [
        alt.Tooltip("curve:N", title="Loss"),
        alt.Tooltip("flops:Q", title=x_title, format=".3~g"),
        alt.Tooltip("mean:Q", title="Mean", format=".3f"),
        alt.Tooltip("low:Q", title="Lowest seed", format=".3f"),
        alt.Tooltip("high:Q", title="Highest seed", format=".3f"),
    ]
    return _plot(curves, color, tooltip).properties(width="container", height=height)


def _plot(
    curves: pd.DataFrame, color: str, tooltip: list[alt.Tooltip] | None = None
) -> alt.LayerChart:
    names = [TRAINING, VALIDATION]
    dash = alt.StrokeDash(
        "curve:N",
        scale=alt.Scale(domain=names, range=[[3, 2], [1, 0]]),
        legend=alt.Legend(title=None, orient="top", symbolStrokeColor=color),
    )
    faint, thin = (1, 1.8) if tooltip else (0.75, 1.2)  # on a dark page a faint line is lost
    opacity = alt.Opacity("curve:N", scale=alt.Scale(domain=names, range=[faint, 1]), legend=None)
    widths = alt.Scale(domain=names, range=[thin, 2.6])
    width = alt.StrokeWidth("curve:N", scale=widths, legend=None)
    low, high = span(pd.concat([curves["low"], curves["high"]]))
    bottom, top = padded(low, high, 0.04)
    y_scale = alt.Scale(
        domain=[bottom, high if high > low else top], nice=False, zero=False, clamp=True
    )
    ticks = powers_of_ten(curves["flops"].tolist())
    x = alt.X(
        "flops:Q",
        scale=alt.Scale(type="log", nice=False),
        axis=powers_axis(X_TITLES["flops"], values=ticks),
    )
    base = alt.Chart(curves).encode(x=x)
    y_title = "Loss (nats per token)"
    band = base.mark_area(color=color, opacity=0.22, clip=True).encode(
        y=alt.Y("low:Q", scale=y_scale, title=y_title), y2="high:Q", detail="curve:N"
    )
    line = base.mark_line(color=color, clip=True).encode(
        y=alt.Y("mean:Q", scale=y_scale, title=y_title),
        strokeDash=dash,
        opacity=opacity,
        strokeWidth=width,
    )
    if tooltip:
        band, line = band.encode(tooltip=tooltip), line.encode(tooltip=tooltip)
    return layered(band, line)
