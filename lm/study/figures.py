"""The figures of the study, drawn from its results, for print and for pages."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lm import charts
from lm.base.flops import flops_text
from lm.charts import Look, Panel, few_looks, of_architecture
from lm.datasets import DATASETS
from lm.study.curves import curve_bands, curves
from lm.study.knobs import KNOBS
from lm.study.report.sentences import Said
from lm.study.results import Results, meter_rows
from lm.study.sections import ARCHITECTURES, CHARACTERS, WORDS
from lm.study.titles import title

TEST_LL = "Test log-likelihood (nats per character)"
TEST_LL_WORDS = "Test log-likelihood (nats per word)"
LEAST_HEIGHT = 300  # pixels of a plot on a page
SHORT_LL = "Test log-likelihood (nats/char)"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure as it is printed, and its plots for a page."""

    printed: Any  # a chart
    plots: Mapping[str, Any]  # what a plot is about -> a chart of its own
    note: str  # what it was drawn from, and how to read it


def _architecture_looks() -> dict[str, Look]:
    names = {name: name for name in ARCHITECTURES}
    return charts.run_looks(names, names)


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure, for every one that the results have runs for."""
    made: dict[str, Figure] = {}
    with_curves = curves(results)

    def add(name: str, rows: pd.DataFrame, draw: Callable[[], Figure]) -> None:
        if len(rows):
            made[name] = draw()

    section = results.section
    add("frontier", section("frontier"), lambda: _frontier(results))
    for architecture in ARCHITECTURES:
        if architecture in with_curves:
            made[f"curves-{architecture}"] = _curves(with_curves[architecture])
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
        add(f"frontier-{dataset}", rows, functools.partial(_word_frontier, results, rows, dataset))
        if dataset in with_curves:
            made[f"curves-{dataset}"] = _curves(with_curves[dataset])
    return made


def write(made: Mapping[str, Figure], said: Mapping[str, Said], folder: Path) -> None:
    """Every figure as NAME.svg and NAME.png, and for a page as NAME.json (see `shown`)."""
    charts.use_theme()
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in made.items():
        svg = charts.to_svg(figure.printed, width=None)
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(charts.to_png(figure.printed))
        text = json.dumps(shown(name, figure, said), ensure_ascii=False, separators=(",", ":"))
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def shown(name: str, figure: Figure, said: Mapping[str, Said]) -> dict[str, Any]:
    """A figure as a page shows it: title, sentence, note, and plots as Vega-Lite.

    `said` has the sentences that the report's code writes about the figures. A plot has a list of
    its own, "sentences", beside its "spec".
    """
    words = said.get(name, Said())
    plots = [
        {"sentences": words.of_plots.get(subject, []), "spec": charts.embedded(plot)}
        for subject, plot in figure.plots.items()
    ]
    return {"title": title(name), "sentence": words.text, "note": figure.note, "plots": plots}


def _spread(
    panels: Sequence[Panel],
    looks: Mapping[str, Look],
    *,
    height: int,
    title: str = "",
    columns: int = 2,
    subjects: Sequence[str] = (),
) -> Figure:
    """A figure of results over seeds. `subjects`: what its plots are about, by default their y."""
    live = charts.spread_plots(panels, looks, height=max(height, LEAST_HEIGHT))
    names = subjects or [panel.y_title for panel in panels]
    reading = "" if all(panel.exact for panel in panels) else charts.SPREAD_READING
    return Figure(
        printed=charts.spread_figure(panels, looks, columns=columns, height=height, title=title),
        plots=dict(zip(names, live, strict=True)),
        note=" ".join(filter(None, [f"{title}." if title else "", reading])),
    )


def _xy(rows: pd.DataFrame, x: str, y: str, series: str) -> pd.DataFrame:
    return pd.DataFrame({"x": rows[x], "y": rows[y], "series": rows[series]})


def _guesses(losses: Mapping[str, float], lowest: float) -> dict[str, float]:
    """Guesses whose log-likelihood is above `lowest`: what is written on their line -> its y."""
    near = {name: loss for name, loss in losses.items() if -loss > lowest}
    return charts.labelled(near, sign=-1)


def _frontier(results: Results) -> Figure:
    rows = results.section("frontier")
    low = rows["log_likelihood"].min() - 0.2
    panel = Panel(
        frame=_xy(rows.astype({"value": float}), "value", "log_likelihood", "architecture"),
        x_title="Training FLOPs (budget)",
        y_title=TEST_LL,
        log_x=True,
        references=_guesses(results.references[CHARACTERS], low),
    )
    return _spread([panel], _architecture_looks(), height=400)


def _curves(rows: pd.DataFrame) -> Figure:
    one = rows.iloc[0]
    color = of_architecture(one.architecture).color
    bands = curve_bands(rows)
    corpus = DATASETS[one.dataset].title
    title = f"{one.architecture}, {corpus}, {flops_text(rows['flops'].mean(), 2)} FLOPs"
    return Figure(
        printed=charts.curve_figure(bands, color=color, title=title),
        plots={title: charts.curve_plot(bands, color=color)},
        note=f"{title}. {charts.BAND_READING}",
    )


def _rates(results: Results) -> pd.DataFrame:
    """The runs of the search at the budget of the knobs, one for each learning rate and seed."""
    rows = results.all_of("search")
    at_knobs = rows["value"] == results.study.scale.knob_budget
    return rows[at_knobs & rows["name"].isin(list(ARCHITECTURES)) & rows["test_loss"].notna()]


def _learning_rate(results: Results, rows: pd.DataFrame) -> Figure:
    budget = results.study.scale.knob_budget
    panel = Panel(
        frame=_xy(rows, "rate", "log_likelihood", "architecture"),
        x_title=f"Peak learning rate, at {flops_text(budget, 2)} FLOPs",
        y_title=TEST_LL,
        log_x=True,
    )
    return _spread([panel], _architecture_looks(), height=360)


def _knobs(results: Results, figure: str) -> Figure:
    scale, panels, architectures = results.study.scale, {}, {}
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
        panels[knob.title] = Panel(
            frame=_xy(rows, "value", "log_likelihood", "architecture"),
            x_title=knob.title + (f", at {flops_text(large, 2)} FLOPs" if knob.large else ""),
            y_title=SHORT_LL,
            log_x=knob.log,
            line=numbers,
            order=None if numbers else next(iter(knob.values.values())),
        )
    every = _architecture_looks()
    looks = {name: look for name, look in every.items() if name in architectures}
    title = f"{', '.join(looks)}: {flops_text(scale.knob_budget, 2)} training FLOPs each"
    height = 360 if len(panels) == 1 else 240
    return _spread([*panels.values()], looks, height=height, title=title, subjects=[*panels])


def _objective(results: Results) -> Figure:
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
    return _spread([panel], looks, height=340)


def _meter(results: Results) -> Figure:
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
    return _spread([panel], looks, height=340)


def _tokenizers(results: Results) -> Figure:
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

    return _spread(
        [
            panel(rows, "bits_per_char", "Test bits per character", False),
            panel(costs, "in_vocabulary", "Parameters in the vocabulary (%)", True),
            panel(costs, "head", "FLOPs in the output layer (%)", True),
        ],
        looks,
        columns=1,
        height=190,
    )


def _word_frontier(results: Results, rows: pd.DataFrame, dataset: str) -> Figure:
    name = DATASETS[dataset].title
    rows = rows.assign(series=name)
    color = of_architecture(rows["architecture"].iloc[0]).color
    look = {name: Look(color, label=name)}
    low = rows["log_likelihood"].min() - 0.3
    guesses = _guesses(results.references[dataset], low)
    return _spread(
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
