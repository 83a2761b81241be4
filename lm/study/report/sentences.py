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
from lm.study.knobs import KNOBS
from lm.study.report.environment import environment
from lm.study.report.findings import findings, moves
from lm.study.report.sections import sections
from lm.study.report.takeaways import takeaways
from lm.study.results import Results
from lm.study.sections import WORDS

WHOSE = {"mlp": "The MLP's", "attention": "Attention's"}  # of an architecture, in a sentence


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the report says about a figure."""

    text: str = ""  # about the whole
    of_plots: Mapping[str, list[str]] = field(default_factory=dict)  # by what a plot is about


def sentences(results: Results) -> dict[str, Said]:
    """Name of a figure -> what is said of it; only figures of which something can be said."""
    found = findings(results)
    rate = takeaways(results)["rate"]
    of_knobs = {group["figure"]: group["rows"] for group in sections(results)["knobs"]}
    texts = {
        "frontier": _say("frontier", found["frontier"]),
        "learning-rate": f"The learning rate {_say('rate', rate)}" if rate else "",
        **{name: _moves(results, name) for name in of_knobs},
        "context-length": _say("context", found["context"]),
        "naive-objective": _say("objective", _any_clear(found["objective"])),
        "naive-flops": _say("meter", found["meter"]),
        "tokenizers": _say("tokenizers", found["tokenizers"]),
    }
    of_words = {corpus["title"]: corpus for corpus in found["words"]}
    for dataset in WORDS:
        texts[f"frontier-{dataset}"] = _say("words", of_words.get(DATASETS[dataset].title))
    for name, rows in curves(results).items():
        texts[f"curves-{name}"] = _say("curve", _curve(name, rows))
    plots = {name: _of_plots(rows) for name, rows in of_knobs.items()}
    said = {name: Said(text=text, of_plots=plots.get(name, {})) for name, text in texts.items()}
    return {name: each for name, each in said.items() if each.text or each.of_plots}


def _say(name: str, *found: Any) -> str:
    """A sentence of the templates; empty where the last of what it needs was not found."""
    if not found[-1]:
        return ""
    say = environment().get_template("sentences.md.j2").module
    return str(getattr(say, name)(*found)).strip()


def _moves(results: Results, figure: str) -> str:
    """How far the settings of a figure move the architecture that most of its plots are about."""
    knobs = [knob for knob in KNOBS if knob.figure == figure]
    ((architecture, _),) = Counter(name for knob in knobs for name in knob.values).most_common(1)
    found = moves(results, architecture, knobs)
    if found is None:
        return ""
    parts = [
        _say("moves", WHOSE.get(architecture, f"The {architecture}'s"), found)
        if found["most"]
        else ""
    ]
    parts.append(_say("no_moves", found) if found["open"] else "")
    return " ".join(filter(None, parts))


def _any_clear(objective: dict[str, Any]) -> dict[str, Any] | None:
    return objective if objective["better"] or objective["worse"] else None


def _of_plots(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Title of a hyperparameter -> what validation chooses, and what that is worth."""
    by_title: dict[str, list[str]] = {}
    times = Counter(row["title"] for row in rows)
    for row in rows:
        whose = f"{row['architecture']}: " if times[row["title"]] > 1 else ""
        by_title.setdefault(row["title"], []).append(f"{whose}{_say('knob', row)}")
    return by_title


def _curve(name: str, rows: Any) -> dict[str, Any] | None:
    """Where the curves of an architecture or of a corpus of words end."""
    bands = curve_bands(rows)
    ends = {curve: frame.iloc[-1] for curve, frame in bands.groupby("curve")}
    if not {TRAINING, VALIDATION} <= set(ends):
        return None
    end, architecture = ends[VALIDATION], rows["architecture"].iloc[0]
    return {
        "name": f"{architecture} on {DATASETS[name].title}" if name in WORDS else name,
        "flops": flops_text(rows["flops"].mean(), 2),
        "seeds": rows["seed"].nunique(),
        "validation": f"{end['mean']:.3f}",
        "low": f"{end['low']:.3f}",
        "high": f"{end['high']:.3f}",
        "training": f"{ends[TRAINING]['mean']:.3f}",
    }
