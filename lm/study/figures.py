"""The figures of the study, from its results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lm import charts
from lm.architectures import ARCHITECTURES
from lm.charts import COLORS, PALETTE, Look, Panel
from lm.datasets import DATASETS
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram
from lm.runs import read_run
from lm.study.sections import CHARACTERS, KNOBS, WORDS, Label, Study

TEST_LL = "Test log-likelihood (nats per character)"
TEST_LL_WORDS = "Test log-likelihood (nats per word)"
SHORT_LL = "Test log-likelihood (nats/char)"
BAND_POINTS = 120

ARCHITECTURE_LOOKS = charts.looks(
    {name: name for name in ARCHITECTURES}, {name: name for name in ARCHITECTURES}
)


@dataclass(frozen=True, kw_only=True)
class Results:
    """A study's results by section, and what is derived from them more than once."""

    study: Study
    frame: pd.DataFrame  # of `lm.study.results.results`
    chosen: Mapping[tuple[str, str], Label]  # (family, architecture) -> best on validation
    checkpoints: Mapping[tuple[str, str], str]  # (architecture, corpus) -> id of the best run

    def section(self, section: str, name: str | None = None) -> pd.DataFrame:
        """Runs of a section with a result on test, at the learning rates that count."""
        rows = self.all_of(section, name)
        return rows[rows["counts"] & rows["test_loss"].notna()]

    def all_of(self, section: str, name: str | None = None) -> pd.DataFrame:
        """Every run of a section."""
        rows = self.frame[self.frame["section"] == section]
        return rows if name is None else rows[rows["name"] == name]

    @cached_property
    def references(self) -> dict[str, dict[str, float]]:
        """Corpus -> what guessing from counts scores on test, nats per token."""
        found = {}
        for name in self.study.corpora:
            scores = ngram.baselines(self.study.load(DataConfig(dataset=name)))
            found[name] = {kind: parts["test"].loss for kind, parts in scores.items()}
        return found


def figures(results: Results) -> dict[str, Any]:
    """Name -> chart, of all that the results have something for."""
    made: dict[str, Any] = {}

    def add(name: str, rows: pd.DataFrame, draw: Callable[[], Any]) -> None:
        if len(rows):
            made[name] = draw()

    section = results.section
    add("frontier", section("frontier"), lambda: _frontier(results))
    for architecture, color in COLORS.items():
        best = _best_frontier(results, architecture)
        add(f"curves-{architecture}", best, functools.partial(_curves, best, color))
    rates = _rates(results)
    add("learning-rate", rates, lambda: _learning_rate(results, rates))
    for figure in dict.fromkeys(knob.figure for knob in KNOBS):
        present = [section("knobs", knob.family) for knob in KNOBS if knob.figure == figure]
        add(figure, pd.concat(present), functools.partial(_knobs, results, figure))
    add("naive-objective", section("naive", "objective"), lambda: _objective(results))
    add("naive-flops", meter_rows(results), lambda: _meter(results))
    add("tokenizers", section("tokenizers"), lambda: _tokenizers(results))
    for dataset in WORDS:
        rows = words(results, dataset)
        largest = rows[rows["flops"] == rows["flops"].max()]
        add(f"frontier-{dataset}", rows, functools.partial(_word_frontier, results, rows, dataset))
        add(f"curves-{dataset}", rows, functools.partial(_curves, largest, COLORS["transformer"]))
    return made


def write(made: Mapping[str, Any], folder: Path) -> None:
    """Every figure as NAME.svg and NAME.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, chart in made.items():
        (folder / f"{name}.svg").write_text(charts.to_svg(chart, width=None), encoding="utf-8")
        (folder / f"{name}.png").write_bytes(charts.to_png(chart))


def words(results: Results, dataset: str) -> pd.DataFrame:
    """The runs on words of a corpus, at rising budgets."""
    return results.section("words", dataset).sort_values("flops")


def _xy(rows: pd.DataFrame, x: str, y: str, series: str) -> pd.DataFrame:
    return pd.DataFrame({"x": rows[x], "y": rows[y], "series": rows[series]})


def _looks(names: Iterable[str]) -> dict[str, Look]:
    """A colour and a shape for each of a few names."""
    return {
        name: Look(label=name, color=PALETTE[place], shape=charts.SHAPES[place])
        for place, name in enumerate(names)
    }


def _guesses(losses: Mapping[str, float], lowest: float) -> dict[str, float]:
    """What guessing scores, as log-likelihoods above `lowest`: what is written there -> y."""
    return {f"{name} −{loss:.2f}": -loss for name, loss in losses.items() if -loss > lowest}


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
    return charts.spread_figure([panel], ARCHITECTURE_LOOKS, height=400)


def _best_frontier(results: Results, architecture: str) -> pd.DataFrame:
    """The runs of the largest budget that has several seeds, or of the largest."""
    rows = results.section("frontier", architecture)
    seeds = rows.groupby("value")["seed"].nunique()
    several = seeds[seeds == seeds.max()]
    return rows[rows["value"] == several.index.max()]


def _curves(rows: pd.DataFrame, color: str) -> Any:
    one = rows.iloc[0]
    corpus = DATASETS[one.dataset].title
    title = f"{one.architecture}, {corpus}, {flops_in_words(rows['flops'].mean())} FLOPs"
    return charts.curve_figure(curve_bands(rows), color=color, title=title)


def flops_in_words(flops: float, digits: int = 2) -> str:
    """9.6e+11 -> 9.6e11"""
    mantissa, _, exponent = f"{flops:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def curve_bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Loss against FLOPs over the seeds of one setting, whose runs record the same steps."""
    parts = []
    metrics = [read_run(path).metrics() for path in rows["path"]]
    for curve, column in (("training", "train_loss"), ("validation, sampled", "sampled_val_loss")):
        series = [frame.set_index("flops")[column].dropna() for frame in metrics]
        joined = pd.concat(series, axis=1, join="inner")
        if curve == "training":
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
    # on a logarithmic axis the first percent of a run would fill half of the picture
    return bands[bands["flops"] >= 0.005 * bands["flops"].max()]


def _binned(joined: pd.DataFrame) -> pd.DataFrame:
    """Means over bins that are evenly wide on a logarithmic axis."""
    edges = np.geomspace(joined.index.min(), joined.index.max(), BAND_POINTS)
    bins = np.digitize(joined.index.to_numpy(dtype=float), edges)
    means = joined.groupby(bins).mean()
    means.index = pd.Index(pd.Series(joined.index, dtype=float).groupby(bins).mean())
    return means


def _rates(results: Results) -> pd.DataFrame:
    """The search at the knobs' budget, every rate of it."""
    rows = results.all_of("search")
    at_knobs = rows["value"] == results.study.scale.knob_budget
    return rows[at_knobs & rows["name"].isin(list(ARCHITECTURES)) & rows["test_loss"].notna()]


def _learning_rate(results: Results, rows: pd.DataFrame) -> Any:
    budget = results.study.scale.knob_budget
    panel = Panel(
        frame=_xy(rows, "rate", "log_likelihood", "architecture"),
        x_title=f"Peak learning rate, at {flops_in_words(budget)} FLOPs",
        y_title=TEST_LL,
        log_x=True,
    )
    return charts.spread_figure([panel], ARCHITECTURE_LOOKS, height=360)


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
                x_title=knob.title + (f", at {flops_in_words(large)} FLOPs" if knob.large else ""),
                y_title=SHORT_LL,
                log_x=knob.log,
                line=numbers,
                order=None if numbers else next(iter(knob.values.values())),
            )
        )
    looks = {name: ARCHITECTURE_LOOKS[name] for name in ARCHITECTURES if name in architectures}
    title = f"{', '.join(looks)}: {flops_in_words(scale.knob_budget)} training FLOPs each"
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
    looks = _looks(order)
    return charts.spread_figure([panel], looks, height=340)


def naive_flops(rows: pd.DataFrame) -> pd.Series:
    """What the coursework's formula says of runs: 2 × parameters × windows × their length."""
    last = rows["objective"] == "last_position"
    positions = rows["tokens"] * rows["context_length"].where(last, 1)
    return 2.0 * rows["n_params"] * positions


def meter_rows(results: Results) -> pd.DataFrame:
    """The coursework's setups and the largest budgets of ours, by formula and by meter."""
    rows = results.section("naive", "classic").drop_duplicates("architecture")
    rows = rows.assign(setup="the coursework's: windows of 128, last position")
    ours = (
        results.section("frontier")
        .sort_values("value")
        .drop_duplicates("architecture", keep="last")
    )
    rows = pd.concat([rows, ours.assign(setup="ours: all positions")], ignore_index=True)
    return rows.assign(formula=naive_flops(rows), ratio=naive_flops(rows) / rows["flops"])


def _meter(results: Results) -> Any:
    rows = meter_rows(results)
    order = list(dict.fromkeys(rows["setup"]))
    looks = _looks(order)
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
    rows = rows.assign(series=[f"{flops_in_words(value)} FLOPs" for value in rows["value"]])
    order = [*results.study.tokenizations()]
    looks = _looks(dict.fromkeys(rows["series"]))
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
    look = {name: Look(label=name, color=COLORS["transformer"], shape="circle")}
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
