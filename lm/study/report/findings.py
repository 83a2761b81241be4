"""The numbers of the report's first page: four findings in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lm.datasets import DATASETS
from lm.runs.intervals import Difference, Interval, difference
from lm.study.claims import few_seeds, intervals
from lm.study.knobs import KNOBS, Knob
from lm.study.report.comparing import (
    CONTEXT,
    by_budget,
    compared,
    knob_intervals,
    leader_of,
    rates_at_knobs,
    reach,
)
from lm.study.results import Results, meter_rows
from lm.study.sections import ALL_POSITIONS, ARCHITECTURES, LAST_POSITION, WORDS


def findings(results: Results) -> dict[str, Any]:
    """Finding -> the numbers in its template; None or empty where there are no runs for it."""
    return {
        "frontier": _frontier(results),
        "context": _context(results),
        "settings": _settings(results),
        "words": [corpus for name in WORDS if (corpus := _word_corpus(results, name))],
        "tokenizers": _tokenizers(results),
        "meter": _meter(results),
        "objective": _objective(results),
    }


def _frontier(results: Results) -> dict[str, Any] | None:
    """Who leads at the least and at the largest budget with several seeds, and what was gained."""
    budgets = by_budget(results)
    if not budgets:
        return None
    several = [budget for budget, scores in budgets.items() if not few_seeds(scores)]
    drawn = several or list(budgets)
    first, last = drawn[0], drawn[-1]
    gains = {
        name: difference(budgets[first][name], budgets[last][name])
        for name in ARCHITECTURES
        if first != last and name in budgets[first] and name in budgets[last]
    }
    order = sorted(gains, key=lambda name: -gains[name].mean)
    return {
        "first": _lead(first, budgets[first]),
        "last": _lead(last, budgets[last]) if last != first else None,
        "ratio": f"{last / first:,.0f}",
        "gains": [f"{gains[name]} for {name}" for name in order if gains[name].gain],
        "flat": [name for name in order if not gains[name].clear],
    }


def _lead(budget: float, scores: dict[object, Interval]) -> dict[str, Any]:
    leader = leader_of(scores)
    return {
        "budget": budget,
        "name": leader,
        "score": scores[leader],
        "perplexity": f"{math.exp(-scores[leader].mean):.1f}",
        "claim": compared(leader, scores, "nats"),
    }


def _context(results: Results) -> dict[str, Any] | None:
    """The context length that validation chooses, and what the longest costs on test."""
    choices, costs = [], []
    for architecture in ARCHITECTURES:
        scores = knob_intervals(results, CONTEXT, architecture)
        choice = results.choices.get((CONTEXT, architecture))
        if choice is None or choice.value not in scores:
            continue
        least, most = min(scores), max(scores)  # type: ignore[type-var] - numbers
        choices.append(f"{choice.value} for {architecture} (of {least} to {most})")
        cost = difference(scores[most], scores[choice.value])
        if cost.gain:
            costs.append(f"{cost} for {architecture}")
    return {"choices": choices, "costs": costs} if choices else None


def _settings(results: Results) -> dict[str, Any] | None:
    """Which settings of the transformer matter most, its learning rate among them."""
    rate = reach(intervals(rates_at_knobs(results, "transformer"), "factor"))
    return moves(results, "transformer", KNOBS, {"Learning rate": rate} if rate else {})


def moves(
    results: Results,
    architecture: str,
    knobs: Iterable[Knob],
    more: Mapping[str, Difference] | None = None,
) -> dict[str, Any] | None:
    """How far settings of an architecture move its result, from the worst to the best value tried.

    `more` are differences by title, in addition to those of `knobs`.
    """
    by_title = {
        knob.title: moved
        for knob in knobs
        if architecture in knob.values
        and (moved := reach(knob_intervals(results, knob.family, architecture)))
    } | dict(more or {})
    if not by_title:
        return None
    clear = [title for title, moved in by_title.items() if moved.clear]
    clear.sort(key=lambda title: -by_title[title].mean)
    return {
        "most": [f"{_inside(title)} ({by_title[title]})" for title in clear[:3]],
        "then": [f"{_inside(title)} ({by_title[title]})" for title in clear[3:]],
        "open": [_inside(title) for title in by_title if title not in clear],
    }


def _inside(title: str) -> str:
    """A hyperparameter's title inside a sentence, without its remark."""
    return f"{title[0].lower()}{title[1:]}".partition(" (")[0]


def _word_corpus(results: Results, dataset: str) -> dict[str, Any] | None:
    """How far more compute lowers perplexity, and whether it gets below that of n-grams."""
    rows = results.word_runs(dataset)
    if rows.empty:
        return None
    guesses = results.references[dataset]
    guess = min(guesses, key=lambda kind: guesses[kind])
    passing = rows[rows["test_loss"] < guesses[guess]]
    first, last = rows.iloc[0], rows.iloc[-1]
    return {
        "title": DATASETS[dataset].title,
        "vocabulary": f"{int(first['vocab_size']):,}",
        "first": {"flops": first["flops"], "perplexity": f"{first['perplexity']:,.1f}"},
        "last": {"flops": last["flops"], "perplexity": f"{last['perplexity']:,.1f}"},
        "guess": guess,
        "guess_perplexity": f"{math.exp(guesses[guess]):,.1f}",
        "passes_from": passing["flops"].iloc[0] if len(passing) else None,
    }


def _tokenizers(results: Results) -> dict[str, Any] | None:
    """The best way of cutting one text at the largest budget, beside characters and words."""
    rows = results.section("tokenizers")
    rows = rows[rows["value"] == rows["value"].max()]
    bits = intervals(rows, "name", "bits_per_char")
    if not {"char", "word"} < set(bits):
        return None
    best = min(bits, key=lambda name: bits[name].mean)
    return {
        "budget": rows["value"].iloc[0],
        "best": best,
        "bits": bits[best],
        "char": bits["char"],
        "word": bits["word"],
    }


def _meter(results: Results) -> dict[str, Any] | None:
    """How far the coursework's formula is from the FLOPs that are counted, at either end."""
    rows = meter_rows(results)
    rows = rows[rows["section"] == "naive"].sort_values("ratio")
    if len(rows) < 2:
        return None
    least, most = rows.iloc[0], rows.iloc[-1]
    return {
        "least": f"{least['ratio']:.2f} times as much for {least['architecture']}",
        "most": f"{most['ratio']:.2f} times as much for {most['architecture']}",
        "factor": f"{most['ratio'] / least['ratio']:.3g}",
    }


def _objective(results: Results) -> dict[str, Any]:
    """What learning from all positions is worth at equal FLOPs."""
    rows = results.section("naive", "objective")
    gaps = {}
    for architecture in ARCHITECTURES:
        scores = intervals(rows[rows["architecture"] == architecture], "value")
        if {ALL_POSITIONS, LAST_POSITION} <= set(scores):
            gaps[architecture] = difference(scores[LAST_POSITION], scores[ALL_POSITIONS])
    return {
        "better": [f"{gap} nats better for {name}" for name, gap in gaps.items() if gap.gain],
        "worse": [f"{gap} nats worse for {name}" for name, gap in gaps.items() if gap.loss],
        "open": [name for name, gap in gaps.items() if not gap.clear],
    }
