"""Names beside what they name: at the ends of lines, and next to points.

Where there is no room for them, a legend above the chart names the same things.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.charts.axes import scale_type
from lm.charts.data import padded, positive_span, span
from lm.charts.looks import NEUTRAL, by_page, inks

MOST_SHARE = 0.3  # of the width, that names may take on the right
LETTER = 7  # pixels, in a bold name
HEIGHT = 17  # pixels that a name needs
FAR = 2.6 * HEIGHT  # a name that is farther than this from its line cannot be told to belong to it
NEAR = 0.2  # of the width: names whose points are nearer than this must not overlap
EARLY = 0.05  # of the width: a line that ends this much before others is named at its end
MOST_EARLY = 4  # more of these would lie on curves
MOST = 12  # names that can still be read in one chart
MOST_IN_LEGEND = 24
USUAL_WIDTH = 700  # pixels of a chart on a page, to tell which names would overlap
LEGEND_COLUMNS = 4
SYMBOL = 36  # pixels of a symbol in a legend, with its margins
_GAP = 8  # pixels between a point and its name


@dataclass(frozen=True, kw_only=True)
class End:
    """What a name stands beside: the last point of a line, or a point."""

    label: str
    color: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The axes of a chart, and the room that names have on its right.

    Args:
        x_domain, y_domain: The ends of the axes.
        last: The largest x: there the names begin.
        log_x: Whether x is logarithmic.
        height: Pixels of the plot, without what stands above and below it.
        room: Pixels for names on the right, if they are at most `MOST_SHARE` of the width.
        or_legend: Whether a legend names the lines where names would take more than that.
    """

    x_domain: tuple[float, float]
    y_domain: tuple[float, float]
    last: float
    log_x: bool
    height: int
    room: int = 0
    or_legend: bool = False

    @property
    def named(self) -> str:
        """A Vega expression: whether names are written at the ends of lines."""
        return f"width * {MOST_SHARE} >= {self.room}" if self.or_legend else "true"

    @property
    def right(self) -> str:
        """A Vega expression: the pixels on the right that are kept free."""
        least = f"min({self.room}, width * {MOST_SHARE})"
        return f"({self.named} ? {least} : 0)"

    @property
    def x_scale(self) -> alt.Scale:
        """Its x-axis ends where the names begin."""
        return alt.Scale(
            type=scale_type(self.log_x),
            domain=list(self.x_domain),
            range=[0, alt.expr(f"width - {self.right}")] if self.room else alt.Undefined,
            nice=False,
            zero=False,
        )

    @property
    def y_scale(self) -> alt.Scale:
        """Its y-axis."""
        return alt.Scale(domain=list(self.y_domain), nice=False, zero=False)

    def share(self, x: float) -> float:
        """Where a value lies on the x-axis, from 0 at its left end to 1 at its right."""
        low, high = self.x_domain
        if self.log_x:
            return math.log(x / low) / math.log(high / low)
        return (x - low) / (high - low)

    def placed(self, ends: Sequence[End]) -> list[tuple[End, float]]:
        """Ends from the lowest to the highest, with the y of their names: none on another."""
        ends = sorted(ends, key=lambda end: end.y)
        low, high = self.y_domain
        apart = HEIGHT / self.height * (high - low)
        places = spread_out([end.y for end in ends], apart, low + apart / 2, high - apart / 2)
        return list(zip(ends, places, strict=True))

    def pixels(self, y: float) -> float:
        """How far up a value lies."""
        low, high = self.y_domain
        return (y - low) / (high - low) * self.height


def frame_of(xs: pd.Series, ys: pd.Series, *, log_x: bool, height: int) -> Frame:
    """The frame that shows all of these values, with a margin; without room for names."""
    low, high = positive_span(xs) if log_x else span(xs)
    if log_x:
        start, end = padded(math.log10(low), math.log10(high), 0.03)
        start, end = min(start, math.log10(low) - 0.02), max(end, math.log10(high) + 0.02)
        x_domain = 10**start, 10**end
    else:
        x_domain = padded(low, high, 0.03)
    y_domain = padded(*span(ys))
    return Frame(x_domain=x_domain, y_domain=y_domain, last=high, log_x=log_x, height=height)


def room_for(names: Iterable[str]) -> int:
    """The pixels that the longest of some names takes."""
    return LETTER * max(map(len, names), default=0) + 2 * _GAP


# --- whether names have room ----------------------------------------------------------------------


def lines_have_room(ends: Sequence[End], references: Mapping[str, float], frame: Frame) -> bool:
    """Whether every line can be named near its end."""
    early, late = _early_and_late(ends, references, frame)
    if len(ends) + len(references) > MOST or len(early) > MOST_EARLY:
        return False
    return _all_near(frame.placed(late), frame)


def points_have_room(points: Sequence[End], frame: Frame) -> bool:
    """Whether every point can be named next to it, on no other name."""
    beside = _beside(points, frame)
    if len(points) > MOST or not _all_near(beside, frame):
        return False
    boxes = []
    for point, at in beside:
        left = frame.share(point.x) * USUAL_WIDTH
        boxes.append((left, left + room_for([point.label]), frame.pixels(at)))
    return not any(
        abs(one[2] - other[2]) < HEIGHT - 1 and one[0] < other[1] and other[0] < one[1]
        for one, other in itertools.combinations(boxes, 2)
    )


def _all_near(placed: Iterable[tuple[End, float]], frame: Frame) -> bool:
    """Whether each name lies so near to its line or point that it is seen to belong to it."""
    return all(abs(frame.pixels(at) - frame.pixels(end.y)) <= FAR for end, at in placed)


# --- names ----------------------------------------------------------------------------------------


def labels_of_lines(
    ends: Sequence[End], references: Mapping[str, float], *, x: alt.X, frame: Frame
) -> list[alt.Chart]:
    """The names of lines, one above the other in the free room, as layers of a chart.

    A line that ends well before the others is named beside its end. Thin lines lead to names that
    had to make room for others.

    Args:
        ends: The last point of each line.
        references: What is written beside a dashed line across the chart -> its y.
        x: The chart's own x, of a field "x".
        frame: Its axes.
    """
    early, late = _early_and_late(ends, references, frame)
    layers = labels_of_points(early, x=x, frame=frame)
    if not late:
        return layers
    rows = [
        {**_written(end), "x": end.x, "y": end.y, "last": frame.last, "at": at}
        for end, at in frame.placed(late)
    ]
    base = _rows(rows, frame).encode(x=x)
    leader = base.mark_rule(strokeWidth=0.8, opacity=0.55).encode(
        color=alt.Color("color:N", scale=None, legend=None),
        y=alt.Y("y:Q", scale=frame.y_scale),
        x2="last:Q",
        y2="at:Q",
    )
    at_last = x.copy()
    at_last.shorthand = "last:Q"
    layers += [leader, _text(base.encode(x=at_last), frame)]
    if not references:
        return layers
    across = [
        {"y": y, "x": frame.x_domain[0], "last": frame.last}  # to where the names begin
        for y in references.values()
    ]
    rule = _rows(across, frame).mark_rule(strokeDash=[4, 4], color=NEUTRAL, strokeWidth=1.2)
    return [rule.encode(x=x, x2="last:Q", y=alt.Y("y:Q", scale=frame.y_scale)), *layers]


def labels_of_points(points: Sequence[End], *, x: alt.X, frame: Frame) -> list[alt.Chart]:
    """A name next to each point, moved up or down where points lie close, as layers of a chart."""
    rows = [{**_written(point), "x": point.x, "at": at} for point, at in _beside(points, frame)]
    return [_text(_rows(rows, frame).encode(x=x), frame)] if rows else []


def legend(looks: Iterable[Look], frame: Frame | None = None) -> alt.Legend | None:
    """A legend above a chart, in as many columns as there is room for; None for one name.

    With a `frame`, it names only what has no name in the chart.
    """
    names = list(dict.fromkeys(look.label for look in looks if look.label))
    if len(names) < 2:
        return None
    each = SYMBOL + room_for(names)
    shown: dict[str, Any] = {}
    if frame is not None and frame.room:
        shown = {
            "values": alt.expr(f"{frame.named} ? [] : {json.dumps(names)}"),
            "offset": alt.expr(f"{frame.named} ? 0 : 18"),
        }
    return alt.Legend(
        title=None,
        orient="top",
        columns=alt.expr(f"clamp(floor(width / {each}), 1, {LEGEND_COLUMNS})"),
        symbolLimit=MOST_IN_LEGEND,
        **shown,
    )


def under_legend(chart: alt.LayerChart, frame: Frame) -> alt.LayerChart:
    """The chart, higher by its legend, which on a phone takes a row for each name."""
    growing = alt.AutoSizeParams(type="fit-x", contains="padding")
    return chart.properties(height=frame.height, autosize=growing)


def _early_and_late(
    ends: Sequence[End], references: Mapping[str, float], frame: Frame
) -> tuple[list[End], list[End]]:
    """The ends that are named beside them, and those in the free room, references among them."""
    last = frame.share(frame.last)
    early = [end for end in ends if last - frame.share(end.x) > EARLY]
    dashed = [End(label=name, color=NEUTRAL, x=frame.last, y=y) for name, y in references.items()]
    return early, [*(end for end in ends if end not in early), *dashed]


def _beside(points: Sequence[End], frame: Frame) -> list[tuple[End, float]]:
    """Each point with the y of its name."""
    placed = []
    waiting = sorted(points, key=lambda point: point.x)
    while waiting:
        left = frame.share(waiting[0].x)
        near = [point for point in waiting if frame.share(point.x) - left < NEAR]
        waiting = waiting[len(near) :]
        placed += frame.placed(near)
    return placed


def _written(end: End) -> dict[str, Any]:
    on_light, on_dark = inks(end.color)
    return {"label": end.label, "color": end.color, "on_light": on_light, "on_dark": on_dark}


def _rows(rows: list[dict[str, Any]], frame: Frame) -> alt.Chart:
    base = alt.Chart(alt.Data(values=rows))
    return base.transform_filter(frame.named) if frame.or_legend else base


def _text(base: alt.Chart, frame: Frame) -> alt.Chart:
    text = base.mark_text(
        align="left",
        baseline="middle",
        color=by_page("datum.on_light", "datum.on_dark"),
        dx=_GAP,
        fontSize=12,
        fontWeight=600,
        limit=alt.expr(f"{frame.right} - {_GAP}"),
    )
    return text.encode(y=alt.Y("at:Q", scale=frame.y_scale), text="label:N")


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
