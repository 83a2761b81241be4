"""Training curves of several runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.charts import ends
from lm.charts.axes import (
    AXIS_HEIGHT,
    COMPARED,
    HEIGHT,
    NEAR,
    between,
    labelled,
    layered,
    number_axis,
    reference_lines,
)
from lm.charts.data import smooth, span, thin
from lm.charts.looks import by_label, cues


def training_curves(
    metrics: Mapping[str, pd.DataFrame],
    looks: Mapping[str, Look],
    *,
    x: str = "flops",
    y: str = "sampled_val_loss",
    y_title: str = "Sampled validation loss (nats per token)",
    log_x: bool = True,
    smoothing: int = 0,
    references: Mapping[str, float] | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """A line for each run, over its training; a point where only one value was recorded.

    Args:
        metrics: Run id -> frame with the columns of `StepRecord`.
        looks: Run id -> how the run is drawn and named; only these runs are drawn. Runs of one
            name, such as seeds, are named once.
        x: A key of `COMPARED`.
        y: A column of losses, such as "train_loss".
        y_title: Title of the y-axis, with its unit.
        log_x: Draw x on a logarithmic axis.
        smoothing: Steps after which a loss counts for half as much in the mean that is drawn over
            the raw line: see `smooth`. 0: no such mean.
        references: Name -> y of dashed lines, drawn where they lie near the runs.
        height: Pixels of the chart without a legend, which adds to them.

    Names stand at the right ends of lines, or in a legend where they would stand far from them.
    """
    rows = _rows(metrics, looks, x, y, log_x, smoothing)
    low, high = span(rows[y])
    near = between(references or {}, low - NEAR, high + NEAR)
    ys = pd.Series([low, high, *near.values()])
    frame = ends.frame_of(rows[x], ys, log_x=log_x, height=height - AXIS_HEIGHT)
    names = list(dict.fromkeys(look.label for look in looks.values()))
    at_ends = _ends(rows, x)
    labels: list[alt.Chart] = []
    if len(at_ends) == len(names) and ends.lines_have_room(at_ends, labelled(near), frame):
        room = ends.room_for([*names, *labelled(near)])
        frame = replace(frame, room=room, or_legend=True)
    horizontal = alt.X(f"{x}:Q", scale=frame.x_scale, axis=number_axis(COMPARED[x], log_x, rows[x]))
    if frame.room:
        x_of_labels = alt.X("x:Q", scale=frame.x_scale)
        labels = ends.labels_of_lines(at_ends, labelled(near), x=x_of_labels, frame=frame)
    no_names = f"!({frame.named})" if frame.room else ""
    lines = reference_lines(labelled(near), frame.y_scale, where=no_names)
    legend = ends.legend(looks.values(), frame)
    color, dash, _ = cues("run", by_label(looks.values()), legend)
    base = alt.Chart(rows).encode(
        x=horizontal,
        color=color,
        strokeDash=dash,
        detail="run_id:N",
        tooltip=[
            alt.Tooltip("run:N", title="Run"),
            alt.Tooltip("step:Q", title="Step", format=","),
            *([alt.Tooltip(f"{x}:Q", title=COMPARED[x], format=".3~g")] if x != "step" else []),
            alt.Tooltip(f"{y}:Q", title=y_title, format=".3f"),
        ],
    )

    def vertical(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", scale=frame.y_scale, title=y_title)

    width, opacity = (1, 0.35) if smoothing else (2.2, 1)
    layers = [base.mark_line(strokeWidth=width, opacity=opacity).encode(y=vertical(y))]
    if smoothing:
        layers.append(base.mark_line(strokeWidth=2.4).encode(y=vertical("smoothed")))
    if len(alone := rows[~rows["run_id"].duplicated(keep=False)]):
        points = base.mark_point(filled=True, size=70, opacity=1).properties(data=alone)
        layers.append(points.encode(y=vertical(y), strokeDash=alt.Undefined))
    return ends.under_legend(layered(*lines, *labels, *layers), frame)


def _ends(rows: pd.DataFrame, x: str) -> list[ends.End]:
    """The last point of each line; of several with one name, that of the line that ends last."""
    last = rows.groupby("run_id", sort=False).tail(1)
    last = last.sort_values(x, kind="stable").groupby("run", sort=False).tail(1)
    return [
        ends.End(label=run, color=color, x=at, y=value)
        for run, color, at, value in zip(
            last["run"], last["color"], last[x], last["smoothed"], strict=True
        )
    ]


def _rows(
    metrics: Mapping[str, pd.DataFrame],
    looks: Mapping[str, Look],
    x: str,
    y: str,
    log_x: bool,
    smoothing: int,
) -> pd.DataFrame:
    """The thinned curves, one below the other.

    Columns run_id, run (its name), color, step, `x`, `y` and smoothed.
    """
    columns = list(dict.fromkeys(["step", x, y]))
    frames = []
    for run_id, look in looks.items():
        frame = metrics[run_id][columns].dropna().astype({x: "float64", y: "float64"})
        if log_x:
            frame = frame[frame[x] > 0]
        smoothed = smooth(frame[y], frame["step"], smoothing) if smoothing else frame[y]
        frame = frame.assign(smoothed=smoothed, run_id=run_id, run=look.label, color=look.color)
        frames.append(thin(frame, y))
    if not frames:
        return pd.DataFrame(columns=[*columns, "smoothed", "run_id", "run", "color"])
    return pd.concat(frames)


def describe_curves(
    metrics: Mapping[str, pd.DataFrame], looks: Mapping[str, Look], *, y: str, y_title: str
) -> str:
    """What a chart of training curves shows, as a sentence: the runs and where each ended."""
    ends = [
        f"{look.label} ends at {losses.iloc[-1]:.3f}"
        for run_id, look in looks.items()
        if len(losses := metrics[run_id][y].dropna())
    ]
    return f"{y_title}: {'; '.join(ends) or 'nothing recorded yet'}."
