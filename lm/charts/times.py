"""The chart of the first page: what each architecture reaches in a time, and three answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.charts.axes import AXIS_HEIGHT, layered
from lm.charts.data import positive_span
from lm.charts.ends import End, frame_of, labels_of_lines, room_for
from lm.charts.looks import cues

TICKS = {0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}
HEIGHT = 240
ANSWER_SIZE = 190


class Answer(NamedTuple):
    """The best that a span of time buys: a point on a line."""

    span: str
    series: str
    seconds: float
    y: float


def time_chart(
    points: pd.DataFrame,
    looks: Mapping[str, Look],
    answers: Sequence[Answer],
    *,
    y_title: str,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """A line for each series over the logarithm of time, with the answers as large marks.

    All lines go on to the longest time, at what they have reached by then.

    Args:
        points: Columns series, seconds and y; a row per series and budget.
        looks: Series -> how it is drawn and named.
        answers: What is marked, each named by its span.
        y_title: What is drawn.
        height: Pixels.
    """
    first, last = positive_span(points["seconds"])
    frame = frame_of(points["seconds"], points["y"], log_x=True, height=height - AXIS_HEIGHT)
    frame = replace(frame, room=room_for(look.label for look in looks.values()))
    ticks = [tick for tick in TICKS if first <= tick <= last * 1.05]
    names = "{" + ", ".join(f"'{tick:g}': '{TICKS[tick]}'" for tick in ticks) + "}"
    x = alt.X(
        "x:Q",
        scale=frame.x_scale,
        axis=alt.Axis(
            title="Training time on this machine",
            values=ticks,
            labelExpr=f"{names}[format(datum.value, '~g')]",
        ),
    )
    y = alt.Y("y:Q", scale=frame.y_scale, title=y_title)
    color, dash, shape = cues("series", looks)
    points = points.rename(columns={"seconds": "x"}).sort_values("x")
    ends = points.groupby("series", sort=False).tail(1).assign(x=last)
    points = pd.concat([points, ends])  # who has the time may train for less
    lines = alt.Chart(points).mark_line(strokeWidth=2)
    lines = lines.encode(x=x, y=y, color=color, strokeDash=dash)
    labels = labels_of_lines(
        [
            End(label=looks[series].label, color=looks[series].color, x=last, y=value)
            for series, value in zip(ends["series"], ends["y"], strict=True)
        ],
        {},
        x=x,
        frame=frame,
    )
    marked = pd.DataFrame(
        [{"span": a.span, "series": a.series, "x": a.seconds, "y": a.y} for a in answers]
    )
    marks = (
        alt.Chart(marked)
        .mark_point(filled=True, opacity=1, size=ANSWER_SIZE, stroke="white", strokeWidth=1.5)
        .encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=[
                alt.Tooltip("span:N", title="Within"),
                alt.Tooltip("y:Q", title=y_title, format=".2f"),
                alt.Tooltip("x:Q", title="Seconds of training", format=".0f"),
            ],
        )
    )
    return layered(*labels, lines, marks).properties(height=height)


def describe_time(answers: Sequence[Answer], looks: Mapping[str, Look], *, y_title: str) -> str:
    """What the chart shows, as a sentence."""
    parts = [f"{a.span}: {looks[a.series].label}, {a.y:.2f}" for a in answers]
    return f"{y_title} against training time, a line per architecture. {'; '.join(parts)}."
