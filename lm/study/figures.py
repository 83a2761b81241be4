"""The figures of the study, drawn from its results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lm import charts
from lm.base.flops import flops_text
from lm.charts import Look, Panel, few_looks, of_architecture
from lm.charts.bands import TRAINING, VALIDATION
from lm.datasets import DATASETS
from lm.runs import read_run
from lm.study.knobs import KNOBS
from lm.study.results import Results, meter_rows
from lm.study.sections import ARCHITECTURES, CHARACTERS, WORDS

TEST_LL = "Test log-likelihood (nats per character)"
TEST_LL_WORDS = "Test log-likelihood (nats per word)"
SHORT_LL = "Test log-likelihood (nats/char)"
BAND_POINTS = 120  # of a training curve


def _architecture_looks() -> dict[str, Look]:
    names = {name: name for name in ARCHITECTURES}
    return charts.run_looks(names, names)


def figures(results: Results) -> dict[str, Any]:
    """Name -> chart, for every figure that the results have runs for."""
    made: dict[str, Any] = {}

    def add(name: str, rows: pd.DataFrame, draw: Callable[[], Any]) -> None:
        if len(rows):
            made[name] = draw()

    section = results.section
    add("frontier", section("frontier"), lambda: _frontier(results))
    for architecture in ARCHITECTURES:
        best = _best_frontier(results, architecture)
        add(f"curves-{architecture}", best, functools.partial(_curves, best))
    rates = _rates(results)
    add("learning-rate", rates, lambda: _learning_rate(results, rates))
    for figure in dict.fromkeys(knob.figure for knob in KNOBS):
        present = [section("knobs", knob.family) for knob in KNOBS if knob.figure == figure]
        add(figure, pd.concat(present), functools.partial(_knobs, results, figure))
    add("naive-objective", section("naive", "objective"), lambda: _objective(results))
    add("naive-flops", meter_rows(results), lambda: _meter(results))
    add("tokenizers", section("tokenizers"), lambda: _tokenizers(results))
    for dataset in WORDS:
        rows = results.word_runs(dataset)
        largest = rows[rows["flops"] == rows["flops"].max()]
        add(f"frontier-{dataset}", rows, functools.partial(_word_frontier, results, rows, dataset))
        add(f"curves-{dataset}", rows, functools.partial(_curves, largest))
    return made


def write(made: Mapping[str, Any], folder: Path) -> None:
    """Every figure as NAME.svg and NAME.png."""
    charts.use_theme()
    folder.mkdir(parents=True, exist_ok=True)
    for name, chart in made.items():
        (folder / f"{name}.svg").write_text(charts.to_svg(chart, width=None), encoding="utf-8")
        (folder / f"{name}.png").write_bytes(charts.to_png(chart))


def _xy(rows: pd.DataFrame, x: str, y: str, series: str) -> pd.DataFrame:
    return pd.DataFrame({"x": rows[x], "y": rows[y], "series": rows[series]})


def _guesses(losses: Mapping[str, float], lowest: float) -> dict[str, float]:
    """Guesses whose log-likelihood is above `lowest`: what is written on their line -> its y."""
    near = {name: loss for name, loss in losses.items() if -loss > lowest}
    return charts.labelled(near, sign=-1)


def _frontier(results: Results) -> Any:
    rows = results.section("frontier")
    low = rows["log_likelihood"].min() - 0.2
    panel = Panel(
        frame=_xy(rows.astype({"value": float}), "value", "log_likelihood", "architecture"),
        x_title="Training FLOPs (budget)",
        y_title=TEST_LL,
        log_x=True,
        references=_guesses(results.references[CHARACTERS], low),
    )
    return charts.spread_figure([panel], _architecture_looks(), height=400)


def _best_frontier(results: Results, architecture: str) -> pd.DataFrame:
    """The runs of the largest budget among those that have the most seeds."""
    rows = results.section("frontier", architecture)
    seeds = rows.groupby("value")["seed"].nunique()
    several = seeds[seeds == seeds.max()]
    return rows[rows["value"] == several.index.max()]


def _curves(rows: pd.DataFrame) -> Any:
    one = rows.iloc[0]
    color = of_architecture(one.architecture).color
    corpus = DATASETS[one.dataset].title
    title = f"{one.architecture}, {corpus}, {flops_text(rows['flops'].mean(), 2)} FLOPs"
    return charts.curve_figure(curve_bands(rows), color=color, title=title)


def curve_bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Loss against FLOPs over the seeds of one setting, whose runs record the same steps.

    `rows` are runs, as `rows_of` gives them; the result is what `charts.curve_figure` takes.
    """
    parts = []
    metrics = [read_run(path).metrics() for path in rows["path"]]
    for curve, column in ((TRAINING, "train_loss"), (VALIDATION, "sampled_val_loss")):
        series = [frame.set_index("flops")[column].dropna() for frame in metrics]
        joined = pd.concat(series, axis=1, join="inner")
        if curve == TRAINING:
            joined = _binned(joined)
        parts.append(
            pd.DataFrame(
                {
                    "flops": joined.index.astype(float),
                    "curve": curve,
                    "mean": joined.mean(axis=1).to_numpy(),
                    "low": joined.min(axis=1).to_numpy(),
                    "high": joined.max(axis=1).to_numpy(),
                }
            )
        )
    bands = pd.concat(parts, ignore_index=True)
    # on a logarithmic axis the first percent of a run would take half of the picture
    return bands[bands["flops"] >= 0.005 * bands["flops"].max()]


def _binned(joined: pd.DataFrame) -> pd.DataFrame:
    """Means over bins that are equally wide on a logarithmic axis."""
    edges = np.geomspace(joined.index.min(), joined.index.max(), BAND_POINTS)
    bins = np.digitize(joined.index.to_numpy(dtype=float), edges)
    means = joined.groupby(bins).mean()
    means.index = pd.Index(pd.Series(joined.index, dtype=float).groupby(bins).mean())
    return means


def _rates(results: Results) -> pd.DataFrame:
    """The runs of the search at the budget of the knobs, one for each learning rate and seed."""
    rows = results.all_of("search")
    at_knobs = rows["value"] == results.study.scale.knob_budget
    return rows[at_knobs & rows["name"].isin(list(ARCHITECTURES)) & rows["test_loss"].notna()]


def _learning_rate(results: Results, rows: pd.DataFrame) -> Any:
    budget = results.study.scale.knob_budget
    panel = Panel(
        frame=_xy(rows, "rate", "log_likelihood", "architecture"),
        x_title=f"Peak learning rate, at {flops_text(budget, 2)} FLOPs",
        y_title=TEST_LL,
        log_x=True,
    )
    return charts.spread_figure([panel], _architecture_looks(), height=360)


def _knobs(results: Results, figure: str) -> Any:
    scale, panels, architectures = results.study.scale, [], {}
    large = scale.large_knob_budget
    for knob in (knob for knob in KNOBS if knob.figure == figure):
        rows = results.section("knobs", knob.family)
        if rows.empty:
            continue
        architectures |= dict.fromkeys(knob.values)
        numbers = all(
            isinstance(value, int | float) for values in knob.values.values() for value in values
        )
        rows = rows.astype({"value": float if numbers else str})
        panels.append(
            Panel(
                frame=_xy(rows, "value", "log_likelihood", "architecture"),
                x_title=knob.title + (f", at {flops_text(large, 2)} FLOPs" if knob.large else ""),
                y_title=SHORT_LL,
                log_x=knob.log,
                line=numbers,
                order=None if numbers else next(iter(knob.values.values())),
            )
        )
    every = _architecture_looks()
    looks = {name: look for name, look in every.items() if name in architectures}
    title = f"{', '.join(looks)}: {flops_text(scale.knob_budget, 2)} training FLOPs each"
    height = 360 if len(panels) == 1 else 240
    return charts.spread_figure(panels, looks, height=height, title=title)


def _objective(results: Results) -> Any:
    rows = results.section("naive", "objective")
    order = list(dict.fromkeys(rows["value"]))
    panel = Panel(
        frame=_xy(rows.astype({"value": str}), "architecture", "log_likelihood", "value"),
        x_title="",
        y_title=TEST_LL,
        line=False,
        order=list(ARCHITECTURES),
    )
    looks = few_looks(order)
    return charts.spread_figure([panel], looks, height=340)


def _meter(results: Results) -> Any:
    rows = meter_rows(results)
    order = list(dict.fromkeys(rows["setup"]))
    looks = few_looks(order)
    panel = Panel(
        frame=_xy(rows, "architecture", "ratio", "setup"),
        x_title="",
        y_title="2 × parameters × tokens, over counted FLOPs",
        line=False,
        log_y=True,
        order=list(ARCHITECTURES),
        references={"exact": 1.0},
        exact=True,
    )
    return charts.spread_figure([panel], looks, height=340)


def _tokenizers(results: Results) -> Any:
    rows = results.section("tokenizers")
    rows = rows.assign(series=[f"{flops_text(value, 2)} FLOPs" for value in rows["value"]])
    order = [*results.study.tokenizations()]
    looks = few_looks(dict.fromkeys(rows["series"]))
    costs = rows.drop_duplicates(["name", "value"])
    costs = costs.assign(
        in_vocabulary=100 * costs["vocabulary_share"],
        head=100 * costs["head_share"],
    )

    def panel(frame: pd.DataFrame, y: str, title: str, exact: bool) -> Panel:
        return Panel(
            y_format=".0f" if exact else ".2f",
            y_domain=(0, 105) if exact else None,
            frame=_xy(frame, "name", y, "series"),
            x_title="",
            y_title=title,
            line=False,
            order=order,
            exact=exact,
        )

    return charts.spread_figure(
        [
            panel(rows, "bits_per_char", "Test bits per character", False),
            panel(costs, "in_vocabulary", "Parameters in the vocabulary (%)", True),
            panel(costs, "head", "FLOPs in the output layer (%)", True),
        ],
        looks,
        columns=1,
        height=190,
    )


def _word_frontier(results: Results, rows: pd.DataFrame, dataset: str) -> Any:
    name = DATASETS[dataset].title
    rows = rows.assign(series=name)
    color = of_architecture(rows["architecture"].iloc[0]).color
    look = {name: Look(color, label=name)}
    low = rows["log_likelihood"].min() - 0.3
    guesses = _guesses(results.references[dataset], low)
    return charts.spread_figure(
        [
            Panel(
                frame=_xy(rows, "flops", "log_likelihood", "series"),
                x_title="Training FLOPs",
                y_title=TEST_LL_WORDS,
                log_x=True,
                references=guesses,
            ),
            Panel(
                frame=_xy(rows, "flops", "perplexity", "series"),
                x_title="Training FLOPs",
                y_title="Test perplexity (per word)",
                log_x=True,
                log_y=True,
            ),
        ],
        look,
        height=320,
        title=f"transformer, words of {name}, one seed each",
    )
