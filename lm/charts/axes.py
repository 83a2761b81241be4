"""What charts share along their axes: titles, scales, ticks, lines of reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import altair as alt
import pandas as pd

from lm.base.wording import decimal
from lm.charts.labels import places
from lm.charts.looks import MARKED, NEUTRAL, ink

# What a run's progress can be measured in -> the axis's title.
X_TITLES = {
    "step": "Step",
    "tokens": "Training tokens",
    "flops": "Training FLOPs",
    "seconds": "Training time (s)",
}
# What the curves of several runs can be drawn against.
COMPARED = {
    **X_TITLES,
    "operations": "Training operations",
    "bytes": "Bytes read and written in training",
}
HEIGHT = 380
AXIS_HEIGHT = 55  # pixels of a chart's height that its x-axis takes
NEAR = 0.3  # a reference is drawn if it lies within this of the runs
LARGE = 1e6  # from here on a number is written as a power of ten
PLAIN_POWERS = "replace(datum.label, 'e+', 'e')"  # FLOPs as they are written elsewhere: 3e11


# --- scales and ticks ---------------------------------------------------------------------------


def scale_type(log: bool) -> Literal["log", "linear"]:
    """Vega's name of a scale."""
    return "log" if log else "linear"


def loss_axis(references: Mapping[str, float], lowest: float | None = None) -> tuple[float, float]:
    """Lower and upper end of a loss axis, fixed before there is anything to draw on it.

    Args:
        references: Name -> loss of what guessing reaches, nats per token.
        lowest: The lowest loss of the curve so far.

    The upper end lies a little above the worst guess. The lower one is far enough below the best
    guess for a good model, and moves in coarse steps once a loss goes below it.
    """
    top = max(references.values()) if references else 5.0
    best_guess = min(references.values()) if references else top
    step = 0.5 if top > 2 else 0.25
    bottom = math.floor(0.75 * best_guess / step) * step
    if lowest is not None and lowest < bottom:
        bottom = max(0.0, math.floor(lowest / (2 * step)) * 2 * step)
    top = max(top, bottom + step)  # where there is one character, every guess costs nothing
    return bottom, top + 0.03 * (top - bottom)


def powers_axis(title: str, **ticks: Any) -> alt.Axis:
    """An axis whose numbers are written like 3e11. `ticks`: further settings of `alt.Axis`."""
    return alt.Axis(title=title, format=".2~e", labelExpr=PLAIN_POWERS, **ticks)


def number_axis(title: str, log: bool, values: pd.Series) -> alt.Axis:
    """An axis for `values`: large ones are written like 3e11, small ones in full."""
    values = values.dropna().astype(float)
    if bool(len(values)) and values.abs().max() >= LARGE:
        return powers_axis(title, tickCount=5)
    return alt.Axis(title=title, format="~g" if log else ",~f", tickCount=6)


def powers_of_ten(values: Sequence[float]) -> list[float]:
    """The powers of ten that enclose those of `values` that are above 0."""
    positive = [value for value in values if value > 0]
    if not positive:
        return []
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    return [10.0**power for power in range(low, high + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis: 1, 2, 5, 10, ..., and more on a short one.

    Both ends are above 0. Where no round number lies between them, `low` is the one tick.
    """
    steps: tuple[float, ...] = (1, 1.2, 1.5, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 5, 6, 7, 8, 9)
    if high / low > 4:
        steps = (1, 1.5, 2, 3, 4, 5, 7) if high / low < 15 else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{step * 10.0**power:.3g}") for power in powers for step in steps]
    return [number for number in numbers if low <= number <= high] or [low]


# --- references ---------------------------------------------------------------------------------


def labelled(references: Mapping[str, float], sign: int = 1) -> dict[str, float]:
    """Each reference times `sign`, with its value in its name: "bigram 2.45" -> 2.45."""
    values = {name: sign * value for name, value in references.items()}
    return {f"{name} {decimal(y, 2).replace('-', '−')}": y for name, y in values.items()}


def between(references: Mapping[str, float], low: float, high: float) -> dict[str, float]:
    """The references that lie between two values."""
    return {name: value for name, value in references.items() if low <= value <= high}


def reference_lines(
    references: Mapping[str, float], scale: alt.Scale, *, where: str = ""
) -> list[alt.Chart]:
    """Dashed lines across a chart, named over their left ends, as layers of it.

    Names may lie on a curve here; `lines_apart` keeps them off one that is still to come.

    Args:
        references: What is written on a line -> its y.
        scale: That of the chart's y-axis.
        where: A Vega expression: whether they are drawn. Empty: always.
    """
    if not references:
        return []
    rows = [{"reference": name, "y": value} for name, value in references.items()]
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("y:Q", scale=scale))
    base = base.transform_filter(where) if where else base
    rule = base.mark_rule(strokeDash=[4, 4], color=NEUTRAL, strokeWidth=1.2)
    text = base.mark_text(
        color=ink(NEUTRAL), fontSize=12, align="left", baseline="bottom", dx=4, dy=-3
    )
    return [rule, text.encode(x=alt.value(0), text="reference:N")]


def lines_apart(
    references: Mapping[str, float],
    domain: tuple[float, float],
    height: int,
    *,
    marked: Mapping[str, float] | None = None,
) -> list[alt.Chart]:
    """Dashed lines across a chart, their names apart from each other, as layers of it.

    Args:
        references: What is written on a line -> its y.
        domain: The ends of the y-axis, which the chart sets itself.
        height: Pixels of the chart.
        marked: More lines, which somebody drew: solid, and with a mark at their left end.
    """
    low, high = domain
    marked = marked or {}
    plot = height - AXIS_HEIGHT
    every = {**references, **marked}
    tops = tuple(round((high - y) / (high - low) * plot, 1) for y in every.values())
    place_of = dict(zip(every, places(tops, plot), strict=True))
    y = alt.Y("y:Q", scale=alt.Scale(domain=[low, high], zero=False, nice=False))
    drawing: list[tuple[Mapping[str, float], str, Literal["normal", "bold"], dict[str, Any]]] = [
        (references, NEUTRAL, "normal", {"strokeWidth": 1.2, "strokeDash": [4, 4]}),
        (marked, MARKED, "bold", {"strokeWidth": 1.6}),
    ]
    layers: list[alt.Chart] = []
    for lines, color, weight, stroke in drawing:
        if not lines:
            continue
        rows = [{"reference": name, "y": lines[name], **place_of[name]._asdict()} for name in lines]
        base = alt.Chart(alt.Data(values=rows)).encode(y=y)
        text = base.mark_text(
            color=ink(color),
            fontSize=12,
            fontWeight=weight,
            baseline="middle",
            align=alt.expr("datum.end"),
            dx=alt.expr("datum.end == 'right' ? -4 : 6"),
            dy=alt.expr("datum.offset"),
        )
        at_end = alt.value(alt.expr("datum.end == 'right' ? width : 0"))
        layers += [
            base.mark_rule(color=color, **stroke),
            text.encode(x=at_end, text="reference:N"),
        ]
        if lines is marked:
            mark = base.mark_point(shape="triangle-right", size=90, filled=True, color=color)
            layers.append(mark.encode(x=alt.value(0)))
    return layers


def layered(*charts: Any, **attributes: Any) -> alt.LayerChart:
    """Charts on top of each other, none of which has facets: Altair's type allows for those."""
    return cast(alt.LayerChart, alt.layer(*charts, **attributes))
