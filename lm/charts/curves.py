"""Training curves of several runs."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.charts import ends
from lm.charts.axes import (
    COMPARED,
    HEIGHT,
    NEAR,
    between,
    labelled,
    layered,
    number_axis,
    scale_type,
)
from lm.charts.data import MOST_POINTS, smooth, span, thin
from lm.charts.looks import look_scale


def training_curves(
    metrics: Mapping[str, pd.DataFrame],
    looks: Mapping[str, Look],
    *,
    x: str = "flops",
    y: str = "sampled_val_loss",
    y_title: str = "Sampled validation loss (nats per token)",
    log_x: bool = True,
    smoothing: float = 0.0,
    references: Mapping[str, float] | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """A line for each run, over its training.

    Args:
        metrics: Run id -> frame with the columns of `StepRecord`.
        looks: Run id -> how the run is drawn and named; only these runs are drawn.
        x: A key of `COMPARED`.
        y: A column of losses, such as "train_loss".
        y_title: Title of the y-axis, with its unit.
        log_x: Draw x on a logarithmic axis.
        smoothing: A share of each run, in (0, 1]: its running mean lies over the raw line. 0: none.
        references: Name -> y of dashed lines, drawn where they lie near the runs.
        height: Pixels.

    Labels stand at the right ends of lines, if there are not too many to read.
    """
    rows = _rows(metrics, looks, x, y, log_x, smoothing)
    low, high = span(rows[y])
    near = between(references or {}, low - NEAR, high + NEAR)
    y_domain = ends.padded(min([low, *near.values()]), max([high, *near.values()]))
    y_scale = alt.Scale(domain=list(y_domain), zero=False, nice=False)
    first, last = span(rows[x])
    x_domain = ends.with_room(first, last, log_x)
    x_scale = alt.Scale(type=scale_type(log_x), domain=list(x_domain), nice=False)
    base = alt.Chart(rows).encode(
        x=alt.X(f"{x}:Q", scale=x_scale, axis=number_axis(COMPARED[x], log_x, rows[x])),
        color=alt.Color("run:N", scale=look_scale(looks.values(), "color"), legend=None),
        strokeDash=alt.StrokeDash("run:N", scale=look_scale(looks.values(), "dash"), legend=None),
        tooltip=[
            alt.Tooltip("run:N", title="Run"),
            alt.Tooltip("step:Q", title="Step", format=","),
            *([alt.Tooltip(f"{x}:Q", title=COMPARED[x], format=".3~g")] if x != "step" else []),
            alt.Tooltip(f"{y}:Q", title=y_title, format=".3f"),
        ],
    )

    def vertical(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", scale=y_scale, title=y_title)

    width, opacity = (1, 0.35) if smoothing else (2.2, 1)
    layers = [base.mark_line(strokeWidth=width, opacity=opacity).encode(y=vertical(y))]
    if smoothing:
        layers.append(base.mark_line(strokeWidth=2.4).encode(y=vertical("smoothed")))
    labels = ends.labels_of_lines(
        _ends(rows, looks, x),
        labelled(near),
        x=alt.X("x:Q", scale=x_scale),
        y_domain=y_domain,
        x_domain=x_domain,
        last=last,
        log_x=log_x,
        height=height,
    )
    return layered(*labels, *layers).properties(height=height)


def _ends(rows: pd.DataFrame, looks: Mapping[str, Look], x: str) -> list[ends.End]:
    """The last point of each line; none where there are too many to label."""
    if len(looks) > ends.MOST:
        return []
    colors = {look.label: look.color for look in looks.values()}
    last = rows.groupby("run", sort=False).tail(1)
    return [
        ends.End(label=run, color=colors[run], x=at, y=value)
        for run, at, value in zip(last["run"], last[x], last["smoothed"], strict=True)
    ]


def _rows(
    metrics: Mapping[str, pd.DataFrame],
    looks: Mapping[str, Look],
    x: str,
    y: str,
    log_x: bool,
    smoothing: float,
) -> pd.DataFrame:
    """The thinned curves, one below the other: columns step, `x`, `y`, smoothed and run."""
    columns = list(dict.fromkeys(["step", x, y]))
    if not looks:
        return pd.DataFrame(columns=[*columns, "smoothed", "run"])
    frames = [metrics[run_id][columns] for run_id in looks]
    labels = [look.label for look in looks.values()]
    rows = pd.concat(frames, keys=labels, names=["run", None]).reset_index("run")
    rows = rows.dropna().astype({x: "float64"})
    if log_x:
        rows = rows[rows[x] > 0]
    curves = rows.groupby("run", sort=False)
    smoothed = curves[y].transform(smooth, smoothing) if smoothing else rows[y]
    rows = rows.assign(smoothed=smoothed)
    if curves.size().max() <= MOST_POINTS:
        return rows
    return pd.concat([thin(curve, y) for _, curve in rows.groupby("run", sort=False)])


def describe_curves(
    metrics: Mapping[str, pd.DataFrame], looks: Mapping[str, Look], *, y: str, y_title: str
) -> str:
    """What a chart of training curves shows, as a sentence: the runs and where each ended."""
    ends = [
        f"{look.label} ends at {metrics[run_id][y].dropna().iloc[-1]:.3f}"
        for run_id, look in looks.items()
    ]
    return f"{y_title}: {'; '.join(ends)}."
