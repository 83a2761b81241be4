"""The conclusions of the coursework, tested at equal budgets: each gets a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm.base.flops import flops_text
from lm.base.wording import listed
from lm.runs.intervals import difference
from lm.study.claims import few_seeds, intervals
from lm.study.knobs import KNOBS
from lm.study.published import PUBLISHED_RATES
from lm.study.report.comparing import (
    CONTEXT,
    ONE_SEED,
    by_budget,
    compared,
    knob_intervals,
    rates_at_knobs,
    reach,
)
from lm.study.results import Results
from lm.study.wording import sentence


def takeaways(results: Results) -> dict[str, Any]:
    """Takeaway -> the numbers in its template; None where there are no runs for it."""
    return {
        "transformer": _verdict(
            results,
            "transformer",
            ["linear", "mlp", "attention"],
            ahead="the transformer is ahead of every other architecture",
            behind="another architecture is ahead of the transformer",
            undecided="no architecture is shown to lead or the transformer shares the lead",
        ),
        "attention": _verdict(
            results,
            "attention",
            ["mlp"],
            ahead="attention is ahead of the MLP",
            behind="the MLP is ahead of attention",
            undecided="no difference is shown",
        ),
        "contexts": [context for name in ("linear", "mlp") if (context := _context(results, name))],
        "rate": _rate(results),
        "words": _large_vocabulary(results),
    }


def _verdict(
    results: Results,
    first: str,
    others: Sequence[str],
    *,
    ahead: str,
    behind: str,
    undecided: str,
) -> str | None:
    """At which budgets `first` is ahead of all others or behind one, and a verdict.

    `ahead`, `behind` and `undecided` are the clauses for the three outcomes.
    """
    budgets: dict[str, list[str]] = {ahead: [], behind: [], undecided: []}
    for budget, scores in by_budget(results).items():
        gaps = {
            name: difference(scores[name], scores[first])
            for name in others
            if name in scores and first in scores
        }
        if few_seeds(scores) or not gaps:
            continue
        worst = min(gaps, key=lambda name: gaps[name].mean)
        if gaps[worst].loss:
            budgets[behind].append(f"at {flops_text(budget)} ({worst}, by {gaps[worst]} nats)")
        elif all(gap.clear for gap in gaps.values()):
            budgets[ahead].append(f"at {flops_text(budget)} (by {gaps[worst]} nats over {worst})")
        else:
            budgets[undecided].append(f"at {flops_text(budget)}")
    if not any(budgets.values()):
        return None
    clauses = [f"{clause} {listed(places)}" for clause, places in budgets.items() if places]
    if not budgets[ahead]:
        holds = "**does not hold**" if budgets[behind] else "is **not shown**"
    else:
        holds = "**holds in part**" if budgets[behind] or budgets[undecided] else "**holds**"
    return f"{'; '.join(clauses)}. It {holds}."


def _context(results: Results, architecture: str) -> dict[str, Any] | None:
    scores = knob_intervals(results, CONTEXT, architecture)
    choice = results.choices.get((CONTEXT, architecture))
    if len(scores) < 2 or choice is None or choice.value not in scores:
        return None
    values = sorted(scores)  # type: ignore[type-var] - numbers
    context = {"architecture": architecture, "tried": values, "choice": choice.value}
    if few_seeds(scores):
        return {**context, "claim": sentence(ONE_SEED)}
    best, first, last = choice.value, values[0], values[-1]
    helped, hurt = (difference(scores[end], scores[best]) for end in (first, last))
    clauses = []
    if best != first:
        gain = f"{helped} nats" if helped.gain else "not shown"
        clauses.append(f"the gain on test over {first} is {gain}")
    if best != last:
        loss = f"{hurt} nats" if hurt.gain else "not shown"
        clauses.append(f"the loss on test from there to {last} is {loss}")
    up, down = best != first and helped.gain, best != last and hurt.gain
    verdict = "It is **not shown** whole."
    if up and down:
        verdict = "It **holds**."
    elif down and best == first:
        verdict = "**Longer only hurts** at this budget."
    return {**context, "claim": f"{sentence(listed(clauses))} {verdict}"}


def _rate(results: Results) -> dict[str, Any] | None:
    rates = rates_at_knobs(results, "transformer")
    shapes = {
        knob.title: moved.mean
        for knob in KNOBS
        if knob.figure in ("transformer-shape", "context-length")
        and (moved := reach(knob_intervals(results, knob.family, "transformer")))
    }
    moved = reach(intervals(rates, "factor"))
    if moved is None or not shapes:
        return None
    largest = max(shapes, key=lambda title: shapes[title])
    return {
        "moved": f"{moved.mean:.2f}",
        "least": f"{rates['rate'].min():g}",
        "most": f"{rates['rate'].max():g}",
        "shape": largest,
        "shape_moved": f"{shapes[largest]:.2f}",
        "published": [f"{loss:.2f} at {rate:g}" for rate, loss in PUBLISHED_RATES.items()],
    }


def _large_vocabulary(results: Results) -> dict[str, Any] | None:
    rows = results.section("tokenizers")
    rows = rows[rows["value"] == rows["value"].max()]
    scores = intervals(rows, "name", "bits_per_char", sign=-1)
    if not {"char", "word"} <= set(scores):
        return None
    one = rows.drop_duplicates("name").set_index("name")
    return {
        "budget": rows["value"].iloc[0],
        "vocabularies": [f"{one.vocab_size[name]:,}" for name in ("char", "word")],
        "shares": [f"{one.head_share[name]:.0%}" for name in ("char", "word")],
        "claim": compared("char", scores, "bits"),
    }
