"""What each figure shows, in the sentences of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lm.base.flops import flops_text
from lm.charts.bands import TRAINING, VALIDATION
from lm.datasets import DATASETS
from lm.study.curves import curve_bands, curves
from lm.study.knobs import CONTEXT, KNOBS
from lm.study.report import hyperparameters, sections
from lm.study.report.hyperparameters import Tried
from lm.study.results import Results
from lm.study.sections import WORDS


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the report says about a figure."""

    text: str = ""  # about the whole
    of_plots: Mapping[str, list[str]] = field(default_factory=dict)  # by what a plot is about


def sentences(results: Results) -> dict[str, Said]:
    """Name of a figure -> what is said of it; only figures of which something can be said."""
    rate = hyperparameters.rate(results)
    groups = hyperparameters.groups(results)
    tokenizers = sections.tokenizers(results)
    texts = {
        "frontier": _of(sections.frontier(results)),
        "learning-rate": rate and f"The learning rate {rate}",
        **{name: _moves(results, name) for name in groups},
        CONTEXT.figure: hyperparameters.context(results),
        "naive-objective": _of(sections.objective(results)),
        "naive-flops": _of(sections.meter(results)),
        "tokenizers": _of(tokenizers[-1]) if tokenizers else "",
        **{f"frontier-{name}": _of(sections.words(results, name)) for name in WORDS},
        **{f"curves-{name}": _curve(name, rows) for name, rows in curves(results).items()},
    }
    plots = {name: _of_plots(rows) for name, rows in groups.items()}
    return {
        name: Said(text=text, of_plots=plots.get(name, {}))
        for name, text in texts.items()
        if text or name in plots
    }


def _of(section: dict[str, Any] | None) -> str:
    return section.get("sentence", "") if section else ""


def _moves(results: Results, figure: str) -> str:
    """How far the settings of a figure move the architecture that most of its plots are about."""
    knobs = [knob for knob in KNOBS if knob.figure == figure]
    ((architecture, _),) = Counter(name for knob in knobs for name in knob.values).most_common(1)
    return hyperparameters.moves(results, architecture, knobs)


def _of_plots(rows: list[Tried]) -> dict[str, list[str]]:
    """Title of a hyperparameter -> its best value on validation, and what that is worth."""
    by_title: dict[str, list[str]] = {}
    times = Counter(row.title for row in rows)
    for row in rows:
        whose = f"{row.architecture}: " if times[row.title] > 1 else ""
        by_title.setdefault(row.title, []).append(f"{whose}{row.sentence}")
    return by_title


def _curve(name: str, rows: Any) -> str:
    """Where the curves of an architecture or of a corpus of words end."""
    bands = curve_bands(rows)
    ends = {curve: frame.iloc[-1] for curve, frame in bands.groupby("curve")}
    if not {TRAINING, VALIDATION} <= set(ends):
        return ""
    end, n_seeds = ends[VALIDATION], rows["seed"].nunique()
    if name in WORDS:
        name = f"{rows['architecture'].iloc[0]} on {DATASETS[name].title}"
    spread = f", from {end['low']:.3f} to {end['high']:.3f} over {n_seeds} seeds"
    return (
        f"At the end, after {flops_text(rows['flops'].mean(), 2)} training FLOPs, the sampled "
        f"validation loss of {name} is {end['mean']:.3f} nats per token"
        f"{spread if n_seeds > 1 else ''}; the training loss is {ends[TRAINING]['mean']:.3f}."
    )
