"""The chart of one run's loss, which grows while the run trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from lm.charts.axes import (
    HEIGHT,
    PLAIN_POWERS,
    X_TITLES,
    between,
    labelled,
    layered,
    lines_apart,
)
from lm.charts.data import thin
from lm.charts.looks import NEUTRAL, ink

TRAIN, VALIDATION = "train", "validation, sampled"
BEFORE = "before"


def loss_chart(
    metrics: pd.DataFrame,
    *,
    x: str,
    x_end: float,
    y_domain: tuple[float, float],
    references: Mapping[str, float],
    color: str,
    log_x: bool = False,
    before: pd.DataFrame | None = None,
    marked: Mapping[str, float] | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Loss of one run: training faint, sampled validation bold, references dashed.

    Args:
        metrics: Columns of `StepRecord`; may be empty.
        x: A key of `X_TITLES`.
        x_end: Where the x-axis ends, so that a growing curve does not move it.
        y_domain: Lower and upper end of the y-axis: see `loss_axis`.
        references: Name -> loss of what guessing reaches, nats per token.
        color: That of the run's architecture.
        log_x: Draw x on a logarithmic axis.
        before: Metrics of the run that this one took the place of, drawn in grey behind it.
        marked: Name -> loss of further lines, drawn so that they stand out: a person's guess.
        height: Pixels.

    The rows of `metrics` go into the dataset "curve" and change nothing else: a live page that
    calls this again with more rows gives the browser new data for the same chart.
    """
    low, high = y_domain
    x_end = x_end or 1.0  # a run may be over before its clock has moved
    x_scale = alt.Scale(domain=[x_end / 1000, x_end], type="log", clamp=True, nice=False)
    if not log_x:
        x_scale = alt.Scale(domain=[0, x_end], nice=False)
    formats = {"step": ",d", "tokens": "~s", "flops": ".1~e", "seconds": "~f"}
    x_axis = alt.Axis(title=X_TITLES[x], format=formats[x], tickCount=5, labelExpr=PLAIN_POWERS)
    curve = alt.Chart(alt.NamedData("curve")).encode(
        x=alt.X("x:Q", scale=x_scale, axis=x_axis),
        y=alt.Y(
            "loss:Q",
            scale=alt.Scale(domain=[low, high], clamp=True, nice=False),
            title="Loss (nats per token)",
        ),
        opacity=alt.Opacity("curve:N", scale=_curve_scale(0.55, 1), legend=None),
        strokeWidth=alt.StrokeWidth("curve:N", scale=_curve_scale(1.2, 3), legend=None),
        tooltip=[
            alt.Tooltip("curve:N", title="Curve"),
            alt.Tooltip("x:Q", title=X_TITLES[x], format=",.4~g"),
            alt.Tooltip("loss:Q", title="Loss (nats per token)", format=".3f"),
        ],
    )
    line = curve.mark_line(color=color, clip=True)
    dots = curve.mark_circle(color=color, size=34, clip=True, aria=False).transform_filter(
        alt.datum.curve != TRAIN
    )
    lines = labelled(between(references, low, high))
    guesses = lines_apart(lines, y_domain, height, marked=labelled(marked or {}))
    layers = [*guesses, line, dots.encode(strokeWidth=alt.value(0))]
    if log_x:
        metrics = metrics[metrics[x] > 0]
        before = None if before is None else before[before[x] > 0]
    datasets: dict[str, list[dict[str, float | str]]] = {"curve": _rows(metrics, x)}
    if before is not None:
        earlier = _rows_before(before, x, x_end)
        layers = [*_line_before(earlier, x_end, curve), *layers]
        datasets[BEFORE] = earlier
    return layered(*layers, datasets=datasets).properties(height=height)


def _rows(metrics: pd.DataFrame, x: str) -> list[dict[str, float | str]]:
    validation = metrics[metrics["sampled_val_loss"].notna()]
    curves = ((TRAIN, "train_loss", metrics), (VALIDATION, "sampled_val_loss", validation))
    return [
        {"x": at, "loss": loss, "curve": curve}
        for curve, column, frame in curves
        for at, loss in thin(frame[[x, column]], column).to_numpy(dtype=float).tolist()
    ]


def _rows_before(metrics: pd.DataFrame, x: str, x_end: float) -> list[dict[str, float | str]]:
    """Its sampled validation loss, or training loss if it ended before; as far as the axis goes."""
    frame = metrics[metrics[x] <= x_end]
    scored = frame[frame["sampled_val_loss"].notna()]
    column = "sampled_val_loss" if len(scored) > 1 else "train_loss"
    rows = thin((scored if len(scored) > 1 else frame)[[x, column]], column)
    return [
        {"x": at, "loss": loss, "curve": BEFORE} for at, loss in rows.to_numpy(dtype=float).tolist()
    ]


def _line_before(
    rows: list[dict[str, float | str]], x_end: float, curve: alt.Chart
) -> list[alt.Chart]:
    """The line of the run before, and its name at its end."""
    ends_far_right = bool(rows) and float(rows[-1]["x"]) > 0.85 * x_end
    data = alt.NamedData(BEFORE)
    place: dict[str, Any] = (
        {"align": "right", "dy": -10} if ends_far_right else {"align": "left", "dx": 6}
    )
    encoded = alt.Chart(data).encode(x=curve.encoding.x, y=curve.encoding.y)
    line = encoded.mark_line(color=NEUTRAL, strokeWidth=2, opacity=0.6, clip=True)
    name = encoded.mark_text(color=ink(NEUTRAL), fontSize=12, baseline="middle", **place)
    name = name.transform_joinaggregate(last="max(x)").transform_filter("datum.x === datum.last")
    return [line, name.encode(text=alt.value(BEFORE))]


def _curve_scale(train: float, validation: float) -> alt.Scale:
    return alt.Scale(domain=[TRAIN, VALIDATION], range=[train, validation])


def describe_loss(
    metrics: pd.DataFrame, references: Mapping[str, float], before: pd.DataFrame | None = None
) -> str:
    """What a loss chart shows, in sentences; `before` as in `loss_chart`."""
    guesses = ", ".join(f"{name} {loss:.2f}" for name, loss in references.items())
    guesses = f" For reference: {guesses}." if guesses else ""
    if before is not None and len(before):
        last = before.iloc[-1]
        guesses += f" The run before had {last.train_loss:.2f} at step {int(last.step):,}."
    if metrics.empty:
        return f"Loss in nats per token, nothing recorded yet.{guesses}"
    first, last = metrics.iloc[0], metrics.iloc[-1]
    sentence = (
        f"Training loss {first.train_loss:.2f} at step {int(first.step):,}, "
        f"{last.train_loss:.2f} at step {int(last.step):,}."
    )
    validation = metrics["sampled_val_loss"].dropna()
    if len(validation):
        sentence += (
            f" Sampled validation loss {validation.iloc[-1]:.2f}, at best {validation.min():.2f}."
        )
    return sentence + guesses
