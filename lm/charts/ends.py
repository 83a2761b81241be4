"""Labels beside what they name, in place of a legend: at the ends of lines, and next to points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from lm.charts.looks import NEUTRAL

ROOM = 0.25  # of the width, kept free on the right for labels
HEIGHT = 17  # pixels that a label needs
NEAR = 0.2  # of the width: labels whose points are nearer than this must not overlap
MOST = 12  # labels that can still be read in one chart
AXIS_HEIGHT = 85  # pixels under a plot, of the chart's height
_GAP = 8  # pixels between a point and its label


@dataclass(frozen=True, kw_only=True)
class End:
    """What a label stands beside: the last point of a line, or a point."""

    label: str
    color: str
    x: float
    y: float


def with_room(first: float, last: float, log: bool) -> tuple[float, float]:
    """The ends of an x-axis from `first` to `last`, with room for labels on the right."""
    if log:
        decades = max(0.5, math.log10(last / first))
        return first / 10 ** (0.03 * decades), last * 10 ** (ROOM / (1 - ROOM) * decades)
    width = (last - first) or abs(last) or 1.0
    return first - 0.03 * width, last + ROOM / (1 - ROOM) * width


def padded(low: float, high: float) -> tuple[float, float]:
    """The ends of a y-axis that shows everything from `low` to `high`, with a margin."""
    margin = 0.06 * (high - low) or 0.02 * abs(high) or 0.1
    return low - margin, high + margin


def labels_of_lines(
    ends: Sequence[End],
    references: Mapping[str, float],
    *,
    x: alt.X,
    y_domain: tuple[float, float],
    first: float,
    last: float,
    height: int,
) -> list[alt.Chart]:
    """The labels of lines, one above the other in the free room, as layers of a chart.

    Args:
        ends: The last point of each line.
        references: What is written beside a dashed line across the chart -> its y.
        x: The chart's own x, of a field "x".
        y_domain: Lower and upper end of its y-axis.
        first: The left end of its x-axis.
        last: The x where lines end at the latest: there the labels begin.
        height: Pixels of the chart.

    A thin line leads from a line that ends earlier, or had to make room, to its label.
    """
    every = [*ends, *(End(label=n, color=NEUTRAL, x=last, y=v) for n, v in references.items())]
    every.sort(key=lambda end: end.y)
    places = spread_out([end.y for end in every], *_room(y_domain, height))
    rows = [
        {"label": end.label, "color": end.color, "x": end.x, "y": end.y, "last": last, "at": at}
        for end, at in zip(every, places, strict=True)
    ]
    if not rows:
        return []
    scale = alt.Scale(domain=list(y_domain), nice=False, zero=False)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=x, color=alt.Color("color:N", scale=None, legend=None)
    )
    dashed = [_dashed(references, x, first, last, scale)] if references else []
    leader = base.mark_rule(strokeWidth=0.8, opacity=0.55).encode(
        y=alt.Y("y:Q", scale=scale), x2="last:Q", y2="at:Q"
    )
    text = _text(base).encode(x=_at_last(x), y=alt.Y("at:Q", scale=scale), text="label:N")
    return [*dashed, leader, text]


def _dashed(
    references: Mapping[str, float], x: alt.X, first: float, last: float, scale: alt.Scale
) -> alt.Chart:
    """Dashed lines from the left edge to where the labels begin."""
    rows = [{"y": value, "x": first, "last": last} for value in references.values()]
    rules = alt.Chart(alt.Data(values=rows)).mark_rule(
        strokeDash=[4, 4], color=NEUTRAL, strokeWidth=1.2
    )
    return rules.encode(x=x, x2="last:Q", y=alt.Y("y:Q", scale=scale))


def labels_of_points(
    points: Sequence[End],
    *,
    x: alt.X,
    y_domain: tuple[float, float],
    x_domain: tuple[float, float],
    log_x: bool,
    height: int,
) -> list[alt.Chart]:
    """A label next to each point, moved up or down where points lie close, as layers of a chart."""

    def across(value: float) -> float:
        low, high = x_domain
        if log_x:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    rows = []
    waiting = sorted(points, key=lambda point: point.x)
    while waiting:
        near = [p for p in waiting if across(p.x) - across(waiting[0].x) < NEAR]
        waiting = waiting[len(near) :]
        near.sort(key=lambda point: point.y)
        places = spread_out([point.y for point in near], *_room(y_domain, height))
        rows += [
            {"label": point.label, "color": point.color, "x": point.x, "at": at}
            for point, at in zip(near, places, strict=True)
        ]
    if not rows:
        return []
    scale = alt.Scale(domain=list(y_domain), nice=False, zero=False)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=x, color=alt.Color("color:N", scale=None, legend=None)
    )
    return [_text(base).encode(y=alt.Y("at:Q", scale=scale), text="label:N")]


def _text(base: alt.Chart) -> alt.Chart:
    limit = alt.expr(f"width * {ROOM} - {_GAP}")
    return base.mark_text(
        align="left", baseline="middle", dx=_GAP, fontSize=12, fontWeight=600, limit=limit
    )


def _at_last(x: alt.X) -> alt.X:
    """The same axis for the field `last`."""
    copy = x.copy()
    copy.shorthand = "last:Q"
    return copy


def _room(y_domain: tuple[float, float], height: int) -> tuple[float, float, float]:
    """How far labels must be apart, and the lowest and the highest place for one."""
    apart = HEIGHT / (height - AXIS_HEIGHT) * (y_domain[1] - y_domain[0])
    return apart, y_domain[0] + apart / 2, y_domain[1] - apart / 2


def spread_out(
    values: Sequence[float], apart: float, low: float = -math.inf, high: float = math.inf
) -> list[float]:
    """Rising values, moved as little as it takes to lie `apart` from each other in [low, high]."""
    groups: list[tuple[float, int]] = []  # (centre, how many)
    for value in values:
        centre, count = value, 1
        while True:
            half = apart * (count - 1) / 2
            centre = max(low + half, min(high - half, centre))
            if not groups or centre - groups[-1][0] >= apart * (count + groups[-1][1]) / 2:
                break
            before, n_before = groups.pop()
            centre = (before * n_before + centre * count) / (n_before + count)
            count += n_before
        groups.append((centre, count))
    return [
        centre + apart * (place - (count - 1) / 2)
        for centre, count in groups
        for place in range(count)
    ]
