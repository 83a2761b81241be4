"""The figures of the study, drawn from its results, for print and for pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
NAMES = {name: name for name in ARCHITECTURES}
LOOKS = charts.run_looks(NAMES, NAMES)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure as it is printed, and its plots for a page."""

    printed: Any  # a chart
    plots: Mapping[str, Any]  # what a plot is about -> a chart of its own
    note: str  # what it was drawn from, and how to read it


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure, for every one that the results have runs for."""
    made = {
        "frontier": _frontier(results),
        "learning-rate": _learning_rate(results),
        **{figure: _knobs(results, figure) for figure in dict.fromkeys(k.figure for k in KNOBS)},
        "naive-objective": _objective(results),
        "naive-flops": _meter(results),
        "tokenizers": _tokenizers(results),
        **{f"frontier-{dataset}": _word_frontier(results, dataset) for dataset in WORDS},
        **{f"curves-{name}": _curves(rows) for name, rows in curves(results).items()},
    }
    return {name: figure for name, figure in made.items() if figure}


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
    panels: Mapping[str, Panel],
    looks: Mapping[str, Look],
    *,
    height: int,
    title: str = "",
    columns: int = 2,
) -> Figure | None:
    """A figure of results over seeds, of the panels that have any: what one is about -> panel."""
    panels = {name: panel for name, panel in panels.items() if len(panel.frame)}
    if not panels:
        return None
    every = list(panels.values())
    live = charts.spread_plots(every, looks, height=max(height, 300))
    reading = "" if all(panel.exact for panel in every) else charts.SPREAD_READING
    return Figure(
        printed=charts.spread_figure(every, looks, columns=columns, height=height, title=title),
        plots=dict(zip(panels, live, strict=True)),
        note=" ".join(filter(None, [f"{title}." if title else "", reading])),
    )


def _panel(
    rows: pd.DataFrame,
    x: str,
    y: str = "log_likelihood",
    series: str = "architecture",
    **settings: Any,
) -> Panel:
    """A panel of some columns of the results."""
    return Panel(frame=rows[[x, y, series]].set_axis(["x", "y", "series"], axis=1), **settings)


def _guesses(results: Results, dataset: str, rows: pd.DataFrame, margin: float) -> dict[str, float]:
    """Guesses from counts that are not far below the runs: the text on their line -> its y."""
    lowest = rows["log_likelihood"].min() - margin
    losses = results.references.get(dataset, {})
    near = {name: loss for name, loss in losses.items() if -loss > lowest}
    return charts.labelled(near, sign=-1)


def _frontier(results: Results) -> Figure | None:
    rows = results.section("frontier").astype({"value": float})
    panel = _panel(
        rows,
        "value",
        x_title="Training FLOPs (budget)",
        y_title=TEST_LL,
        log_x=True,
        references=_guesses(results, CHARACTERS, rows, margin=0.2),
    )
    return _spread({TEST_LL: panel}, LOOKS, height=400)


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


def _learning_rate(results: Results) -> Figure | None:
    budget = results.study.scale.knob_budget
    panel = _panel(
        results.rates_at_knobs(*ARCHITECTURES),
        "rate",
        x_title=f"Peak learning rate, at {flops_text(budget, 2)} FLOPs",
        y_title=TEST_LL,
        log_x=True,
    )
    return _spread({TEST_LL: panel}, LOOKS, height=360)


def _knobs(results: Results, figure: str) -> Figure | None:
    scale, panels, architectures = results.study.scale, {}, set[str]()
    large = f", at {flops_text(scale.large_knob_budget, 2)} FLOPs"
    for knob in (knob for knob in KNOBS if knob.figure == figure):
        rows = results.section("knobs", knob.family)
        architectures.update(knob.values if len(rows) else ())
        values = next(iter(knob.values.values()))
        numbers = not isinstance(values[0], str)
        panels[knob.title] = _panel(
            rows.astype({"value": float if numbers else str}),
            "value",
            x_title=knob.title + (large if knob.large else ""),
            y_title="Test log-likelihood (nats/char)",
            log_x=knob.log,
            line=numbers,
            order=None if numbers else values,
        )
    looks = {name: look for name, look in LOOKS.items() if name in architectures}
    title = f"{', '.join(looks)}: {flops_text(scale.knob_budget, 2)} training FLOPs each"
    return _spread(panels, looks, height=360 if len(panels) == 1 else 240, title=title)


BY_ARCHITECTURE: dict[str, Any] = {"x_title": "", "line": False, "order": ARCHITECTURES}


def _objective(results: Results) -> Figure | None:
    rows = results.section("naive", "objective").astype({"value": str})
    panel = _panel(rows, "architecture", series="value", y_title=TEST_LL, **BY_ARCHITECTURE)
    return _spread({TEST_LL: panel}, few_looks(dict.fromkeys(rows["value"])), height=340)


def _meter(results: Results) -> Figure | None:
    rows = meter_rows(results)
    title = "2 × parameters × tokens, over counted FLOPs"
    drawn: dict[str, Any] = {"log_y": True, "references": {"exact": 1.0}, "exact": True}
    panel = _panel(
        rows, "architecture", "ratio", "setup", y_title=title, **drawn, **BY_ARCHITECTURE
    )
    return _spread({title: panel}, few_looks(dict.fromkeys(rows["setup"])), height=340)


def _tokenizers(results: Results) -> Figure | None:
    rows = results.section("tokenizers")
    rows = rows.assign(
        series=[f"{flops_text(value, 2)} FLOPs" for value in rows["value"]],
        in_vocabulary=100 * rows["vocabulary_share"],
        in_head=100 * rows["head_share"],
    )
    costs = rows.drop_duplicates(["name", "value"])
    shared = {"x_title": "", "line": False, "order": [*results.study.tokenizations()]}
    shares = {**shared, "y_format": ".0f", "y_domain": (0, 105), "exact": True}
    bits, vocabulary = "Test bits per character", "Parameters in the vocabulary (%)"
    head = "FLOPs in the output layer (%)"
    panels = {
        bits: _panel(
            rows, "name", "bits_per_char", "series", y_title=bits, y_format=".2f", **shared
        ),
        vocabulary: _panel(costs, "name", "in_vocabulary", "series", y_title=vocabulary, **shares),
        head: _panel(costs, "name", "in_head", "series", y_title=head, **shares),
    }
    return _spread(panels, few_looks(dict.fromkeys(rows["series"])), columns=1, height=190)


def _word_frontier(results: Results, dataset: str) -> Figure | None:
    name, rows = DATASETS[dataset].title, results.word_runs(dataset)
    rows = rows.assign(series=name)
    shared = {"x_title": "Training FLOPs", "log_x": True}
    likelihood, perplexity = "Test log-likelihood (nats per word)", "Test perplexity (per word)"
    references = _guesses(results, dataset, rows, margin=0.3)
    panels = {
        likelihood: _panel(
            rows,
            "flops",
            "log_likelihood",
            "series",
            y_title=likelihood,
            references=references,
            **shared,
        ),
        perplexity: _panel(
            rows, "flops", "perplexity", "series", y_title=perplexity, log_y=True, **shared
        ),
    }
    look = {name: Look(of_architecture("transformer").color, label=name)}
    title = f"transformer, words of {name}, one seed each"
    return _spread(panels, look, height=320, title=title)
