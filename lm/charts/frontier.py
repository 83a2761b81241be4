"""The chart of the frontier: what each architecture reaches with a budget, and where runs lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.base.wording import counted
from lm.charts.axes import (
    AXIS_HEIGHT,
    HEIGHT,
    LARGE,
    between,
    labelled,
    layered,
    log_ticks,
    powers_axis,
    powers_of_ten,
)
from lm.charts.data import positive_span, span
from lm.charts.ends import End, frame_of, labels_of_lines, room_for
from lm.charts.looks import cues

NEAR = 0.1  # references this near to what is shown are drawn, too
FIRM: dict[str, Any] = {"filled": True, "size": 34}
FEW: dict[str, Any] = {"filled": False, "size": 60, "strokeWidth": 1.8}
FAINT = 0.35  # of lines that turn back
OWN_SIZE, MANY, OWN_SIZE_OF_MANY = 240, 12, 90


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A run of the user's own on the chart."""

    name: str
    series: str  # the line that its colour and shape come from
    x: float
    y: float
    note: str = ""  # how far it is from the frontier, in words


def frontier_chart(
    rungs: pd.DataFrame,
    looks: Mapping[str, Look],
    own: Sequence[Mark] = (),
    *,
    y_title: str,
    x_title: str = "Training FLOPs",
    references: Mapping[str, float] | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """A line through the means of each series, in a band of all its seeds, and a mark for each run.

    Args:
        rungs: Columns series, x, mean, low, high (one unit), n (seeds) and firm (whether n is
            enough for a band); a row per series and budget, at rising budgets.
        looks: Series -> how it is drawn and named; those of `own` too.
        own: The user's runs, drawn large over the lines.
        y_title: What is drawn, with its unit.
        x_title: What it is drawn over. Where that does not rise with every budget, lines are faint
            and have no bands.
        references: Name -> y of dashed lines: the highest, and those near what is shown.
        height: Pixels.

    Labels stand at the right ends of lines, kept apart. Where there are too few seeds for a band,
    the means are hollow dots.
    """
    marks = pd.DataFrame(
        [{"run": m.name, "series": m.series, "x": m.x, "mean": m.y, "note": m.note} for m in own],
        columns=["run", "series", "x", "mean", "note"],
    )
    rungs = rungs.assign(rung=range(len(rungs)))
    rises = all(line["x"].is_monotonic_increasing for _, line in rungs.groupby("series"))
    low, high = span(pd.concat([rungs["low"], rungs["high"], marks["mean"]]))
    references = references or {}
    near = between(references, low - NEAR, high + NEAR)
    if references:
        best = max(references, key=lambda name: references[name])
        near[best] = references[best]
    xs = pd.concat([rungs["x"], marks["x"]]).astype(float)
    first, last = positive_span(xs)
    frame = frame_of(
        xs, pd.Series([low, high, *near.values()]), log_x=True, height=height - AXIS_HEIGHT
    )
    at_ends = [
        End(label=looks[str(name)].label, color=looks[str(name)].color, x=end["x"], y=end["mean"])
        for name, line in rungs.groupby("series", sort=False)
        for end in [line.iloc[-1]]
    ]
    names = [*(end.label for end in at_ends), *labelled(near)]
    frame = replace(frame, room=room_for(names) if names else 0)
    ticks = [tick for tick in powers_of_ten([first, last]) if first / 1.05 <= tick <= last * 1.05]
    if len(ticks) < 2:
        ticks = log_ticks(first, last * 1.05)
    x = alt.X(
        "x:Q",
        scale=frame.x_scale,
        axis=powers_axis(x_title, values=ticks, labelOverlap=True)
        if last >= LARGE
        else alt.Axis(title=x_title, values=ticks, format=",~g"),
    )
    color, dash, shape = cues("series", looks)

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", scale=frame.y_scale, title=y_title)

    over = alt.Tooltip("x:Q", title=x_title, format=".3~e" if last >= LARGE else ",.3~r")
    tooltip = [
        alt.Tooltip("series:N", title="Ladder"),
        over,
        alt.Tooltip("mean:Q", title=y_title, format=".3f"),
        alt.Tooltip("low:Q", title="from", format=".3f"),
        alt.Tooltip("high:Q", title="to", format=".3f"),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    ladder = alt.Chart(rungs).encode(x=x, color=color)
    band = (
        ladder.transform_filter(alt.datum.firm)
        .mark_area(opacity=0.22)
        .encode(y=y("low"), y2="high:Q")
    )
    line = ladder.mark_line(strokeWidth=2, opacity=1 if rises else FAINT).encode(
        y=y("mean"), strokeDash=dash, order=alt.Order("rung:Q")
    )
    means = [
        ladder.transform_filter(firm)
        .mark_point(opacity=1, **drawn)
        .encode(y=y("mean"), shape=shape, tooltip=tooltip)
        for firm, drawn in (("datum.firm", FIRM), ("!datum.firm", FEW))
    ]
    labels = labels_of_lines(at_ends, labelled(near), x=x, frame=frame)
    runs = (
        alt.Chart(marks)
        .mark_point(
            filled=True,
            opacity=1,
            size=OWN_SIZE if len(marks) <= MANY else OWN_SIZE_OF_MANY,
            stroke="white",
            strokeWidth=1.5,
        )
        .encode(
            x=x,
            y=y("mean"),
            shape=shape,
            color=color,
            tooltip=[
                alt.Tooltip("run:N", title="Run"),
                over,
                alt.Tooltip("mean:Q", title=y_title, format=".4f"),
                alt.Tooltip("note:N", title="To the frontier"),
            ],
        )
    )
    layers = [*labels, *([band] if rises else []), line, *means, *([runs] if len(marks) else [])]
    return layered(*layers).properties(height=height)


def describe_frontier(
    rungs: pd.DataFrame,
    looks: Mapping[str, Look],
    own: Sequence[Mark],
    *,
    y_title: str,
    x_title: str = "Training FLOPs",
) -> str:
    """What the chart shows, as a sentence: each line from its first to its last budget."""
    parts = []
    for series, line in rungs.groupby("series", sort=False):
        first, last = line.iloc[0], line.iloc[-1]
        parts.append(
            f"{looks[str(series)].label} from {first['mean']:.2f} at {first['x']:.0e} to "
            f"{last['mean']:.2f} at {last['x']:.0e}"
        )
    runs = f" {counted(len(own), 'run')} of yours." if own else ""
    over = x_title[:1].lower() + x_title[1:]
    return f"{y_title} over {over}: {'; '.join(parts) or 'no ladder'}.{runs}"
