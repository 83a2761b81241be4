"""Training curves of several runs."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from lm.base.looks import Look
from lm.charts.axes import (
    HEIGHT,
    NEAR,
    X_TITLES,
    between,
    labelled,
    layered,
    number_axis,
    reference_lines,
    scale_type,
)
from lm.charts.data import smooth, span, thin
from lm.charts.looks import told_apart, with_legend


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
    title: str | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """A line for each run, over its training.

    Args:
        metrics: Run id -> frame with the columns of `StepRecord`.
        looks: Run id -> how the run is drawn and named; only these runs are drawn.
        x: A key of `X_TITLES`.
        y: A column of losses, such as "train_loss".
        y_title: Title of the y-axis, with its unit.
        log_x: Draw x on a logarithmic axis.
        smoothing: A share of each run, in (0, 1]: its running mean lies over the raw line. 0: none.
        references: Name -> y of dashed lines, drawn where they lie near the runs.
        title: Title of the legend.
        height: Pixels, without the legend.
    """
    rows = _rows(metrics, looks, x, y, log_x, smoothing)
    base = alt.Chart(rows).encode(
        x=alt.X(
            f"{x}:Q",
            scale=alt.Scale(type=scale_type(log_x), nice=False),
            axis=number_axis(X_TITLES[x], log_x, rows[x]),
        ),
        **told_apart(looks, "dash", title),
        tooltip=[
            alt.Tooltip("run:N", title="Run"),
            alt.Tooltip("step:Q", title="Step", format=","),
            *([alt.Tooltip(f"{x}:Q", title=X_TITLES[x], format=".3~g")] if x != "step" else []),
            alt.Tooltip(f"{y}:Q", title=y_title, format=".3f"),
        ],
    )

    def vertical(column: str) -> alt.Y:
        scale = alt.Scale(zero=False, nice=False, padding=12)
        return alt.Y(f"{column}:Q", scale=scale, title=y_title)

    width, opacity = (1, 0.35) if smoothing else (2.2, 1)
    layers = [base.mark_line(strokeWidth=width, opacity=opacity).encode(y=vertical(y))]
    if smoothing:
        layers.append(base.mark_line(strokeWidth=2.4).encode(y=vertical("smoothed")))
    low, high = span(rows[y])
    near = between(references or {}, low - NEAR, high + NEAR)
    domain = [min([low, *near.values()]), max([high, *near.values()])]
    scale = alt.Scale(domain=domain, zero=False, nice=False)
    return layered(*reference_lines(labelled(near), scale), *layers).properties(
        height=with_legend(height, looks)
    )


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
    parts = []
    for run_id, look in looks.items():
        frame = metrics[run_id][columns].dropna()
        if log_x:
            frame = frame[frame[x] > 0]
        frame = frame.assign(smoothed=smooth(frame[y], smoothing) if smoothing else frame[y])
        frame = thin(frame, y).assign(run=look.label)
        parts.append(frame.astype({x: "float64"}))
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*columns, "smoothed", "run"])


def describe_curves(
    metrics: Mapping[str, pd.DataFrame], looks: Mapping[str, Look], *, y: str, y_title: str
) -> str:
    """What a chart of training curves shows, as a sentence: the runs and where each ended."""
    ends = [
        f"{look.label} ends at {metrics[run_id][y].dropna().iloc[-1]:.3f}"
        for run_id, look in looks.items()
    ]
    return f"{y_title}: {'; '.join(ends)}."
