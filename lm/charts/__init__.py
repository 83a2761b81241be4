"""From data frames to charts: pure functions, and the one place that imports altair.

An architecture has a colour of Okabe and Ito's palette (told apart by the colour-blind, readable
on white and on black), a dash and a shape, everywhere. Charts leave text and grid to the theme of
whoever shows them; `describe_...` functions say in a sentence what a chart shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

COLORS = {
    "linear": "#CC79A7",
    "mlp": "#009E73",
    "attention": "#D55E00",
    "transformer": "#0072B2",
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7B00", "#7F7F7F")
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (9, 3, 2, 3), (2, 2))
MORE_DASHES = ((4, 2), (12, 4), (9, 3, 2, 3, 2, 3), (1, 4), (14, 3, 5, 3))
SHAPES = ("circle", "square", "diamond", "triangle-up")
MORE_SHAPES = ("cross", "triangle-down", "triangle-right", "triangle-left", "wedge")
_ORDER = ("transformer", "mlp", "attention", "linear")
ARCHITECTURE_SHAPE = dict(zip(_ORDER, SHAPES, strict=True))
NEUTRAL = "#7c8088"  # references: between the ink of a light and of a dark page

SVG = find_spec("vl_convert") is not None  # whether charts can be saved without a browser

MOST_POINTS = 500
PLAIN_POWERS = "replace(datum.label, 'e+', 'e')"  # FLOPs as they are written elsewhere: 3e11
HEIGHT = 380

# What a run's progress can be measured in -> the axis's title.
X_TITLES = {
    "step": "Step",
    "tokens": "Training tokens",
    "flops": "Training FLOPs",
    "seconds": "Training time (s)",
}


@alt.theme.register("lm", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    """Quiet axes, generous lines; fonts and ink are the page's."""
    return {
        "config": {
            "view": {"stroke": "transparent"},
            "axis": {"grid": True, "gridOpacity": 0.6, "domain": False, "tickSize": 4},
            "axisX": {"grid": False, "domain": True},
            "legend": {"symbolStrokeWidth": 2.5, "symbolSize": 120, "labelLimit": 360},
            "line": {"strokeJoin": "round"},
        }
    }


@dataclass(frozen=True)
class Look:
    """How one run is drawn, wherever it appears."""

    label: str
    color: str
    dash: tuple[int, ...] = DASHES[0]
    shape: str = SHAPES[0]


def looks(groups: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Look]:
    """A look for every run of `groups` (run id -> what decides its colour), in that order.

    Architectures have their own colours; other groups take the palette's in order. Runs of one
    colour differ by dash and shape. What a run looks like depends on the runs before it alone,
    so it keeps its look when another one is shown, hidden or added.
    """
    by_architecture = set(groups.values()) <= set(COLORS)
    order = list(_ORDER) if by_architecture else list(dict.fromkeys(groups.values()))
    ranks: dict[str, int] = {}
    found = {}
    for run_id, group in groups.items():
        place = order.index(group)
        rank = ranks[group] = ranks.get(group, -1) + 1
        found[run_id] = Look(
            label=labels[run_id],
            color=COLORS[group] if by_architecture else PALETTE[place % len(PALETTE)],
            dash=_cue(DASHES, MORE_DASHES, place, rank),
            shape=_cue(SHAPES, MORE_SHAPES, place, rank),
        )
    return found


def _cue(first: Sequence, more: Sequence, place: int, rank: int):
    """The cue of a group's run number `rank`: the group's own, then others, each from its place."""
    every = [first[place % len(first)], *more[place % len(more) :], *more[: place % len(more)]]
    return every[rank % len(every)]


# --- data ------------------------------------------------------------------------------------


def thin(frame: pd.DataFrame, y: str, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most `most` rows that draw the same line: the first, the last and local extremes."""
    if len(frame) <= most:
        return frame
    values = frame[y].to_numpy(dtype=float)
    kept = {0, len(frame) - 1}
    for piece in np.array_split(np.arange(len(frame)), (most - 2) // 2):
        if not np.isnan(values[piece]).all():
            kept |= {
                int(piece[np.nanargmin(values[piece])]),
                int(piece[np.nanargmax(values[piece])]),
            }
    return frame.iloc[sorted(kept)]


def log_spaced(end: int, most: int = 200) -> np.ndarray:
    """At most `most` whole numbers from 1 to `end`, evenly spaced on a logarithmic axis."""
    return np.unique(np.geomspace(1, end, most).round().astype(int))


def smooth(values: pd.Series, share: float) -> pd.Series:
    """The centred mean over `share` of the series; the ends average what there is."""
    width = max(1, round(share * len(values)))
    return values.rolling(width, center=True, min_periods=1).mean()


def sparkline(values: Sequence[float], points: int = 32) -> list[float]:
    """A series as `points` means of neighbours, for a cell of a table."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if len(finite) <= points:
        return finite.tolist()
    return [float(piece.mean()) for piece in np.array_split(finite, points)]


def loss_axis(references: Mapping[str, float], lowest: float | None = None) -> tuple[float, float]:
    """Lower and upper end of a loss axis that holds guessing above and learning below.

    The upper end is that of uniform guessing. The lower one is far enough under the best guess
    for a good model, and moves in coarse steps when a loss goes below it.
    """
    top = max(references.values()) if references else 5.0
    best_guess = min(references.values()) if references else top
    step = 0.5 if top > 2 else 0.25
    bottom = math.floor(0.75 * best_guess / step) * step
    if lowest is not None and lowest < bottom:
        bottom = max(0.0, math.floor(lowest / (2 * step)) * 2 * step)
    return bottom, top + 0.03 * (top - bottom)


# --- one run, as it trains ----------------------------------------------------------------------


def loss_chart(
    metrics: pd.DataFrame,
    *,
    x: str,
    x_end: float,
    y_domain: tuple[float, float],
    references: Mapping[str, float],
    color: str,
    log_x: bool = False,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Loss of one run: train faint, sampled validation bold, references dashed.

    Args:
        metrics: Columns of `StepRecord`; may be empty.
        x: A key of `X_TITLES`.
        x_end: Where the axis ends, so that a growing curve does not move it.
        y_domain: See `loss_axis`.
        references: Name -> loss of what guessing buys, nats per token.

    All but the rows in dataset "curve" depends on the arguments alone: a live page that calls this
    again with more rows gives the browser new data for the same chart.
    """
    train = thin(metrics[[x, "train_loss"]], "train_loss")
    valid = metrics.loc[metrics["sampled_val_loss"].notna(), [x, "sampled_val_loss"]]
    valid = thin(valid, "sampled_val_loss")
    rows = [
        *({"x": a, "loss": b, "curve": "train"} for a, b in train.to_numpy(dtype=float).tolist()),
        *(
            {"x": a, "loss": b, "curve": "validation, sampled"}
            for a, b in valid.to_numpy(dtype=float).tolist()
        ),
    ]
    x_scale = alt.Scale(domain=[x_end / 1000, x_end], type="log", clamp=True, nice=False)
    if not log_x:
        x_scale = alt.Scale(domain=[0, x_end], nice=False)
    formats = {"step": ",d", "tokens": "~s", "flops": ".1~e", "seconds": "~f"}
    x_axis = alt.Axis(title=X_TITLES[x], format=formats[x], tickCount=5, labelExpr=PLAIN_POWERS)
    curve = alt.Chart(alt.NamedData("curve")).encode(
        x=alt.X("x:Q", scale=x_scale, axis=x_axis),
        y=alt.Y(
            "loss:Q",
            scale=alt.Scale(domain=list(y_domain), clamp=True, nice=False),
            title="Loss (nats per token)",
        ),
        opacity=alt.Opacity(
            "curve:N",
            scale=alt.Scale(domain=["train", "validation, sampled"], range=[0.55, 1]),
            legend=None,
        ),
        strokeWidth=alt.StrokeWidth(
            "curve:N",
            scale=alt.Scale(domain=["train", "validation, sampled"], range=[1.2, 3]),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("curve:N", title="Curve"),
            alt.Tooltip("x:Q", title=X_TITLES[x], format=",.4~g"),
            alt.Tooltip("loss:Q", title="Loss (nats per token)", format=".3f"),
        ],
    )
    line = curve.mark_line(color=color, clip=True)
    dots = curve.mark_circle(color=color, size=34, clip=True, aria=False).transform_filter(
        alt.datum.curve != "train"
    )
    layers = [*_references(references, y_domain), line, dots.encode(strokeWidth=alt.value(0))]
    return alt.layer(*layers, datasets={"curve": rows}).properties(height=height)


def _references(references: Mapping[str, float], y_domain: tuple[float, float]) -> list[alt.Chart]:
    """Dashed lines across the chart, each with its name and loss at the right."""
    low, high = y_domain
    shown = [
        {"reference": f"{name} {loss:.2f}", "loss": loss}
        for name, loss in references.items()
        if low <= loss <= high
    ]
    if not shown:
        return []
    scale = alt.Scale(domain=[low, high], zero=False, nice=False)
    base = alt.Chart(alt.Data(values=shown)).encode(y=alt.Y("loss:Q", scale=scale))
    rule = base.mark_rule(strokeDash=[4, 4], color=NEUTRAL, strokeWidth=1.2)
    text = base.mark_text(
        align="right", baseline="top", dx=-4, dy=4, color=NEUTRAL, fontSize=12
    ).encode(x=alt.value("width"), text="reference:N")
    return [rule, text]


def describe_loss(metrics: pd.DataFrame, references: Mapping[str, float]) -> str:
    """What a loss chart shows, in words."""
    guesses = ", ".join(f"{name} {loss:.2f}" for name, loss in references.items())
    guesses = f" For reference: {guesses}." if guesses else ""
    if metrics.empty:
        return f"Loss in nats per token, nothing recorded yet.{guesses}"
    first, last = metrics.iloc[0], metrics.iloc[-1]
    words = (
        f"Training loss {first.train_loss:.2f} at step {int(first.step):,}, "
        f"{last.train_loss:.2f} at step {int(last.step):,}."
    )
    valid = metrics["sampled_val_loss"].dropna()
    if len(valid):
        words += f" Sampled validation loss {valid.iloc[-1]:.2f}, at best {valid.min():.2f}."
    return words + guesses


# --- several runs -------------------------------------------------------------------------------


def _look_scales(shown: Mapping[str, Look]) -> dict[str, tuple[list[str], list]]:
    labels = [look.label for look in shown.values()]
    return {
        "color": (labels, [look.color for look in shown.values()]),
        "dash": (labels, [list(look.dash) for look in shown.values()]),
        "shape": (labels, [look.shape for look in shown.values()]),
    }


SHORT_LABEL = 14  # characters: of these, two fit beside each other on a phone


def _legend_columns(shown: Mapping[str, Look]) -> int:
    return 2 if all(len(look.label) <= SHORT_LABEL for look in shown.values()) else 1


def _legend(title: str | None, shown: Mapping[str, Look]) -> alt.Legend:
    columns = _legend_columns(shown)
    return alt.Legend(title=title, orient="bottom", columns=columns, labelLimit=520)


def _with_legend(height: int, shown: Mapping[str, Look]) -> int:
    """The height of a chart and its legend."""
    return height + 22 * math.ceil(len(shown) / _legend_columns(shown))


def _number_axis(title: str, log: bool, values: pd.Series) -> alt.Axis:
    values = values.dropna().astype(float)
    large = bool(len(values)) and values.abs().max() >= 1e6
    if large:
        return alt.Axis(title=title, format=".1~e", tickCount=5, labelExpr=PLAIN_POWERS)
    return alt.Axis(title=title, format="~g" if log else ",~f", tickCount=6)


def training_curves(
    metrics: Mapping[str, pd.DataFrame],
    shown: Mapping[str, Look],
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
    """A line per run of `shown`, of its `metrics` (columns of `StepRecord`).

    With `smoothing`, a share of each run in (0, 1], a smoothed line lies over the raw one.
    """
    parts = []
    for run_id, look in shown.items():
        frame = metrics[run_id][["step", x, y]].dropna()
        frame = frame.loc[:, ~frame.columns.duplicated()]
        if log_x:
            frame = frame[frame[x] > 0]
        frame = frame.assign(smoothed=smooth(frame[y], smoothing) if smoothing else frame[y])
        frame = thin(frame, y).assign(run=look.label)
        parts.append(frame.astype({x: "float64"}))
    columns = list(dict.fromkeys(["step", x, y, "smoothed", "run"]))
    rows = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    scales = _look_scales(shown)
    base = alt.Chart(rows).encode(
        x=alt.X(
            f"{x}:Q",
            scale=alt.Scale(type="log" if log_x else "linear", nice=False),
            axis=_number_axis(X_TITLES[x], log_x, rows[x]),
        ),
        color=alt.Color(
            "run:N",
            scale=alt.Scale(domain=scales["color"][0], range=scales["color"][1]),
            legend=_legend(title, shown),
        ),
        strokeDash=alt.StrokeDash(
            "run:N",
            scale=alt.Scale(domain=scales["dash"][0], range=scales["dash"][1]),
            legend=_legend(title, shown),
        ),
        tooltip=[
            alt.Tooltip("run:N", title="Run"),
            alt.Tooltip("step:Q", title="Step", format=","),
            *([alt.Tooltip(f"{x}:Q", title=X_TITLES[x], format=".3~g")] if x != "step" else []),
            alt.Tooltip(f"{y}:Q", title=y_title, format=".3f"),
        ],
    )

    def vertical(field: str) -> alt.Y:
        return alt.Y(
            f"{field}:Q", scale=alt.Scale(zero=False, nice=False, padding=12), title=y_title
        )

    width, opacity = (1, 0.35) if smoothing else (2.2, 1)
    layers = [base.mark_line(strokeWidth=width, opacity=opacity).encode(y=vertical(y))]
    if smoothing:
        layers.append(base.mark_line(strokeWidth=2.4).encode(y=vertical("smoothed")))
    low, high = _span(rows[y])
    near = {k: v for k, v in (references or {}).items() if low - 0.3 <= v <= high + 0.3}
    domain = (min([low, *near.values()]), max([high, *near.values()]))
    return alt.layer(*_references(near, domain), *layers).properties(
        height=_with_legend(height, shown)
    )


def describe_curves(
    metrics: Mapping[str, pd.DataFrame], shown: Mapping[str, Look], *, y: str, y_title: str
) -> str:
    """What a chart of training curves shows, in words: the runs and where each ended."""
    ends = [
        f"{look.label} ends at {metrics[run_id][y].dropna().iloc[-1]:.3f}"
        for run_id, look in shown.items()
    ]
    return f"{y_title}: {'; '.join(ends)}."


def _span(values: pd.Series) -> tuple[float, float]:
    values = values.dropna().astype(float)
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def results_chart(
    frame: pd.DataFrame,
    shown: Mapping[str, Look],
    *,
    x: str,
    y: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    title: str | None = None,
    height: int = HEIGHT,
    references: Mapping[str, float] | None = None,
) -> alt.Chart | alt.LayerChart:
    """A mark per run: column `y` against column `x`, numbers or names, of `frame`.

    `frame` has a row per run and column run_id; runs that are not in `shown`, or lack a value, are
    left out. Used for test log-likelihood against training FLOPs and for any setting against any
    result. `references`, name -> y, are dashed lines where they lie near the runs.
    """
    rows = frame[frame["run_id"].isin(list(shown))]
    keep = list(dict.fromkeys(["run_id", x, y]))
    rows = rows[keep].dropna(subset=[y])
    rows = rows.assign(run=[shown[run_id].label for run_id in rows["run_id"]])
    numbers = rows[x].dropna()
    is_number = pd.api.types.is_numeric_dtype(numbers) and not pd.api.types.is_bool_dtype(numbers)
    if is_number:
        rows = rows.dropna(subset=[x]).astype({x: "float64"})
        log_x = log_x and bool((rows[x] > 0).all())
        horizontal = alt.X(
            f"{_field(x)}:Q",
            scale=alt.Scale(type="log" if log_x else "linear", zero=False, nice=True, padding=18),
            axis=_number_axis(x_title, log_x, rows[x]),
        )
    else:
        rows = rows.assign(**{x: rows[x].astype(str)})
        order = list(COLORS) if x == "architecture" else "ascending"
        horizontal = alt.X(f"{_field(x)}:N", title=x_title, sort=order, axis=alt.Axis(labelAngle=0))
    scales = _look_scales(shown)
    legend = _legend(title, shown)
    height = _with_legend(height, shown)
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, size=130, opacity=0.95)
        .encode(
            x=horizontal,
            y=alt.Y(
                f"{_field(y)}:Q", scale=alt.Scale(zero=False, nice=True, padding=18), title=y_title
            ),
            color=alt.Color(
                "run:N",
                scale=alt.Scale(domain=scales["color"][0], range=scales["color"][1]),
                legend=legend,
            ),
            shape=alt.Shape(
                "run:N",
                scale=alt.Scale(domain=scales["shape"][0], range=scales["shape"][1]),
                legend=legend,
            ),
            tooltip=[
                alt.Tooltip("run:N", title="Run"),
                alt.Tooltip(f"{_field(x)}:Q", title=x_title, format=".4~g")
                if is_number
                else alt.Tooltip(f"{_field(x)}:N", title=x_title),
                alt.Tooltip(f"{_field(y)}:Q", title=y_title, format=".4f"),
            ],
        )
        .properties(height=height)
    )
    low, high = _span(rows[y])
    near = [
        {"reference": f"{name} {_signed(value)}", "y": value}
        for name, value in (references or {}).items()
        if low - NEAR <= value <= high + NEAR
    ]
    if not near:
        return points
    base = alt.Chart(alt.Data(values=near)).encode(y=alt.Y("y:Q"))
    rule = base.mark_rule(strokeDash=[4, 4], color=NEUTRAL, strokeWidth=1.2)
    text = base.mark_text(align="right", baseline="top", dx=-4, dy=4, color=NEUTRAL, fontSize=12)
    named = text.encode(x=alt.value("width"), text="reference:N")
    return alt.layer(points, rule, named).properties(height=height)


NEAR = 0.3  # of a reference to the runs, for it to be drawn


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _field(name: str) -> str:
    """A column's name in Vega's syntax, where a dot means a part of an object."""
    return name.replace(".", "\\.")


def describe_results(
    frame: pd.DataFrame, shown: Mapping[str, Look], *, y: str, y_title: str, best: str = "max"
) -> str:
    """What a results chart shows, in words: how many runs, and the best."""
    rows = frame[frame["run_id"].isin(list(shown))].dropna(subset=[y])
    if rows.empty:
        return f"{y_title}: no run to show yet."
    at = rows[y].astype(float).idxmax() if best == "max" else rows[y].astype(float).idxmin()
    row = rows.loc[at]
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    return f"{y_title} of {runs}; best is {shown[row.run_id].label} with {float(row[y]):.3f}."


# --- figures for print ------------------------------------------------------------------------

PRINT_WIDTH = 720
_PRINT_GAP = 70  # between panels, where the second one's axis lies
_HOLLOW = "white"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot of a figure of results over seeds.

    `frame` has a row per run with columns x, y and series; `line` joins the means, where x is
    an amount and not a name.
    """

    frame: pd.DataFrame
    x_title: str
    y_title: str
    log_x: bool = False
    log_y: bool = False
    line: bool = True
    order: Sequence[str] | None = None  # of names along x
    y_format: str | None = None  # by default as many decimals as tell the ticks apart
    y_domain: tuple[float, float] | None = None
    references: Mapping[str, float] | None = None  # what is written on a line -> y
    exact: bool = False  # numbers that no seed changes


def spread_figure(
    panels: Sequence[Panel],
    looks: Mapping[str, Look],
    *,
    columns: int = 2,
    height: int = 300,
    title: str = "",
) -> alt.Chart | alt.LayerChart | alt.ConcatChart:
    """Results over seeds: every run a dot, means joined, a bar from the lowest to the highest.

    A mean over fewer than three seeds is hollow. `looks`: series -> how it is drawn.
    """
    columns = min(columns, len(panels))
    width = (PRINT_WIDTH - 75 - (columns - 1) * _PRINT_GAP) // columns
    plots = [
        _spread_panel(panel, looks, legend=len(looks) > 1).properties(width=width, height=height)
        for panel in panels
    ]
    figure = plots[0] if len(plots) == 1 else alt.concat(*plots, columns=columns, spacing=28)
    return figure.properties(title=_print_title(title)) if title else figure


def _print_title(title: str) -> alt.TitleParams:
    return alt.TitleParams(title, anchor="start", fontSize=14, fontWeight=600, offset=14)


def _spread_panel(panel: Panel, looks: Mapping[str, Look], legend: bool) -> alt.LayerChart:
    rows = panel.frame[["x", "y", "series"]].dropna()
    rows = rows.assign(series=[looks[name].label for name in rows["series"]])
    spread = rows.groupby(["series", "x"], sort=False)["y"].agg(
        mean="mean", low="min", high="max", n="count"
    )
    spread = spread.reset_index()
    shown = {look.label: look for look in looks.values()}
    domain = list(shown)

    def legend_of() -> alt.Legend | None:
        if not legend:
            return None
        return alt.Legend(title=None, orient="top", columns=4, symbolStrokeWidth=0)

    def scale(values: list) -> alt.Scale:
        return alt.Scale(domain=domain, range=values)

    colors = scale([look.color for look in shown.values()])
    color = alt.Color("series:N", scale=colors, legend=legend_of())
    dashes = [list(look.dash) for look in shown.values()]
    dash = alt.StrokeDash("series:N", scale=scale(dashes), legend=None)
    shape = alt.Shape(
        "series:N", scale=scale([look.shape for look in shown.values()]), legend=legend_of()
    )
    x = _spread_x(panel, rows)
    low, high = _span(pd.concat([rows["y"], pd.Series(panel.references or {}, dtype=float)]))
    margin = 0.07 * (high - low) or 0.05
    domain_y = panel.y_domain or (low - margin, high + margin)
    decimals = max(2, math.ceil(math.log10(_TICKS / (domain_y[1] - domain_y[0]))))
    y_format = panel.y_format or f".{decimals}f"
    axis = alt.Axis(title=panel.y_title, format=y_format, tickCount=_TICKS)
    if panel.log_y:
        domain_y = (low / (high / low) ** 0.1, high * (high / low) ** 0.1)
        axis = alt.Axis(title=panel.y_title, format="~g", values=_log_ticks(*domain_y))
    kind = "log" if panel.log_y else "linear"
    y_scale = alt.Scale(type=kind, domain=list(domain_y), zero=False, nice=False)

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", scale=y_scale, axis=axis)

    several = rows.groupby(["series", "x"])["y"].transform("count") > 1
    dots = (
        alt.Chart(rows[several])
        .mark_circle(size=22, opacity=0.45)
        .encode(x=x, y=y("y"), color=color)
    )
    base = alt.Chart(spread).encode(x=x, color=color)
    bars = base.mark_rule(strokeWidth=2).encode(y=y("low"), y2="high:Q")
    lines = [base.mark_line(strokeWidth=2).encode(y=y("mean"), strokeDash=dash)]
    means = alt.Chart(spread).encode(x=x, y=y("mean"), shape=shape)
    filled = means.mark_point(size=75, filled=True, opacity=1).encode(color=color)
    hollow = means.mark_point(size=75, filled=True, opacity=1, strokeWidth=2, fill=_HOLLOW).encode(
        stroke=alt.Color("series:N", scale=colors, legend=None)
    )
    few = alt.datum.n < (0 if panel.exact else LEAST_SEEDS)
    layers = [
        *_print_references(panel, domain_y),
        *(lines if panel.line else []),
        bars,
        filled.transform_filter(~few),
        hollow.transform_filter(few),
        dots,
    ]
    return alt.layer(*layers)


_TICKS = 6
LEAST_SEEDS = 3  # of a mean that is drawn solid
MOST_TICKS = 9  # before round numbers replace the values themselves


def _spread_x(panel: Panel, rows: pd.DataFrame) -> alt.X:
    if not pd.api.types.is_numeric_dtype(rows["x"]):
        return alt.X(
            "x:N",
            sort=list(panel.order) if panel.order else None,
            scale=alt.Scale(padding=0.6),
            axis=alt.Axis(title=panel.x_title, labelAngle=0),
        )
    values = sorted(set(rows["x"].astype(float)))
    large = bool(values) and values[-1] >= 1e6
    ticks = values if len(values) <= MOST_TICKS else _log_ticks(values[0], values[-1])
    axis = alt.Axis(
        title=panel.x_title,
        values=_ticks(values) if large else ticks,
        labelOverlap=True,
        format=".1~e" if large else "~g",
        labelExpr=PLAIN_POWERS,
    )
    scale = alt.Scale(type="log" if panel.log_x else "linear", zero=False, nice=False, padding=14)
    return alt.X("x:Q", scale=scale, axis=axis)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of a logarithmic axis: 1, 2, 5, 10, ...; more of them where it is short."""
    steps: tuple[float, ...] = (1, 1.2, 1.5, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 5, 6, 7, 8, 9)
    if high / low > 4:
        steps = (1, 1.5, 2, 3, 4, 5, 7) if high / low < 15 else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{step * 10.0**power:.3g}") for power in powers for step in steps]
    return [number for number in numbers if low <= number <= high]


def _ticks(values: Sequence[float]) -> list[float]:
    """Powers of ten around large numbers."""
    low, high = math.floor(math.log10(values[0])), math.ceil(math.log10(values[-1]))
    return [10.0**power for power in range(low, high + 1)]


def _print_references(panel: Panel, domain: Sequence[float]) -> list[alt.Chart]:
    shown = [{"reference": name, "y": value} for name, value in (panel.references or {}).items()]
    if not shown:
        return []
    kind = "log" if panel.log_y else "linear"
    scale = alt.Scale(type=kind, domain=list(domain), zero=False, nice=False)
    base = alt.Chart(alt.Data(values=shown)).encode(y=alt.Y("y:Q", scale=scale))
    rule = base.mark_rule(strokeDash=[4, 4], color=NEUTRAL, strokeWidth=1.2)
    text = base.mark_text(align="left", baseline="bottom", dx=4, dy=-3, color=NEUTRAL, fontSize=12)
    return [rule, text.encode(x=alt.value(0), text="reference:N")]


def curve_figure(
    curves: pd.DataFrame, *, color: str, title: str, height: int = 300
) -> alt.LayerChart:
    """Training and validation loss over training, the mean over seeds in the band of all.

    Columns: flops, curve ("training", "validation, sampled"), mean, low, high.
    """
    names = ["training", "validation, sampled"]
    dash = alt.StrokeDash(
        "curve:N",
        scale=alt.Scale(domain=names, range=[[3, 2], [1, 0]]),
        legend=alt.Legend(title=None, orient="top", symbolStrokeColor=color),
    )
    opacity = alt.Opacity("curve:N", scale=alt.Scale(domain=names, range=[0.75, 1]), legend=None)
    width = alt.StrokeWidth("curve:N", scale=alt.Scale(domain=names, range=[1.2, 2.6]), legend=None)
    low, high = _span(pd.concat([curves["low"], curves["high"]]))
    y_scale = alt.Scale(
        domain=[low - 0.04 * (high - low), high], nice=False, zero=False, clamp=True
    )
    ticks = _ticks(sorted(curves["flops"]))
    x = alt.X(
        "flops:Q",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(title=X_TITLES["flops"], format=".1~e", values=ticks, labelExpr=PLAIN_POWERS),
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
    return alt.layer(band, line).properties(
        width=PRINT_WIDTH - 75, height=height, title=_print_title(title)
    )


def _printed(chart: Any) -> dict[str, Any]:
    """A chart as it goes to print: on white, in letters that can be read in a README."""
    font = "Helvetica, Arial, 'Liberation Sans', sans-serif"
    return (
        chart.configure(background="white", font=font, padding=10)
        .configure_axis(labelFontSize=13, titleFontSize=13, titlePadding=8, titleFontWeight=600)
        .configure_legend(labelFontSize=13, symbolSize=110, symbolStrokeWidth=2.5)
        .configure_view(stroke="transparent")
        .to_dict()
    )


def to_svg(chart: Any, *, width: int | None = PRINT_WIDTH) -> str:
    """The chart as a picture for print, on its own, with vl-convert; None keeps its own width."""
    import vl_convert

    return vl_convert.vegalite_to_svg(_printed(chart.properties(width=width) if width else chart))


def to_png(chart: Any) -> bytes:
    """The same in pixels, two to a point."""
    import vl_convert

    return vl_convert.vegalite_to_png(_printed(chart), scale=2)


# --- corpora ------------------------------------------------------------------------------------


def frequency_chart(frame: pd.DataFrame, *, height: int = 300) -> alt.Chart:
    """Bars, the most frequent token first. Columns: token (as shown), count, share."""
    return (
        alt.Chart(frame)
        .mark_bar(color=PALETTE[0], cornerRadiusEnd=2)
        .encode(
            x=alt.X(
                "token:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, labelOverlap=False)
            )
            if frame["token"].str.len().max() <= 2
            else alt.X("token:N", sort=None, title=None, axis=alt.Axis(labelAngle=-60)),
            y=alt.Y("share:Q", title="Share of all tokens", axis=alt.Axis(format="~%")),
            tooltip=[
                alt.Tooltip("token:N", title="Token"),
                alt.Tooltip("count:Q", title="Count", format=","),
                alt.Tooltip("share:Q", title="Share", format=".2%"),
            ],
        )
        .properties(height=height)
    )


def rank_chart(frame: pd.DataFrame, *, height: int = 300) -> alt.Chart:
    """Counts against rank, both logarithmic, where Zipf's law is a line. Columns: rank, count."""
    return (
        alt.Chart(frame)
        .mark_line(color=PALETTE[0], strokeWidth=2.2)
        .encode(
            x=alt.X(
                "rank:Q",
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(title="Rank, most frequent first", format="~s", tickCount=5),
            ),
            y=alt.Y(
                "count:Q",
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(title="Count", format="~s", tickCount=5),
            ),
            tooltip=[
                alt.Tooltip("rank:Q", title="Rank", format=","),
                alt.Tooltip("count:Q", title="Count", format=","),
            ],
        )
        .properties(height=height)
    )
