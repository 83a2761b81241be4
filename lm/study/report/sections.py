"""The sections of the report: the rows of their tables, and what they say.

Each function gives what its part of the template needs; None or empty where no runs are there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lm.base.flops import flops_text
from lm.base.wording import listed, signed
from lm.datasets import DATASETS
from lm.runs.intervals import difference
from lm.study.published import PUBLISHED
from lm.study.report.comparing import (
    Scores,
    by_budget,
    clauses,
    compared,
    few_seeds,
    intervals,
    leader_of,
    phrase,
    sentence,
)
from lm.study.report.tables import learning_rates
from lm.study.results import Results, meter_rows
from lm.study.sections import ALL_POSITIONS, ARCHITECTURES, LAST_POSITION

# --- what a FLOP buys -----------------------------------------------------------------------------


def frontier(results: Results) -> dict[str, Any] | None:
    """Who leads at each budget, and what is gained between the outer ones with several seeds."""
    budgets = by_budget(results)
    if not budgets:
        return None
    drawn = [budget for budget, scores in budgets.items() if not few_seeds(scores)] or [*budgets]
    first, last = drawn[0], drawn[-1]
    gains = {
        name: difference(budgets[first][name], budgets[last][name])
        for name in ARCHITECTURES
        if first != last and name in budgets[first] and name in budgets[last]
    }
    order = sorted(gains, key=lambda name: -gains[name].mean)
    rises = [f"{gains[name]} for {name}" for name in order if gains[name].gain]
    flat = [name for name in order if not gains[name].clear]
    return {
        "heading": ["architecture", *map(flops_text, budgets)],
        "rows": [
            [name, *(scores.get(name, "") for scores in budgets.values())] for name in ARCHITECTURES
        ],
        "claims": {
            flops_text(budget): compared(leader_of(scores), scores)
            for budget, scores in budgets.items()
        },
        "sentence": " ".join(_lead(budget, budgets[budget]) for budget in sorted({first, last})),
        "ratio": f"{last / first:,.0f}",
        "gains": clauses(
            phrase("test log-likelihood rises by {}", rises),
            phrase("no difference is shown for {}", flat, "or"),
        ),
    }


def _lead(budget: float, scores: Scores) -> str:
    leader = leader_of(scores)
    mean = scores[leader]
    return (
        f"At {flops_text(budget)} FLOPs {leader} has the best mean on test, {mean} nats per "
        f"character, a perplexity of {math.exp(-mean.mean):.1f} ({compared(leader, scores)})."
    )


def who_leads(results: Results, first: str, others: Sequence[str]) -> str:
    """At which budgets `first` is ahead of all others or behind one, and a verdict."""
    ahead, behind, level = [], [], []
    for budget, scores in by_budget(results).items():
        present = [name for name in others if name in scores and first in scores]
        if few_seeds(scores) or not present:
            continue
        gaps = {name: difference(scores[name], scores[first]) for name in present}
        best = min(gaps, key=lambda name: gaps[name].mean)
        at = f"{flops_text(budget)} ({best}, by {gaps[best]} nats)"
        if gaps[best].loss:
            behind.append(at)
        elif all(gap.clear for gap in gaps.values()):
            ahead.append(at)
        else:
            level.append(flops_text(budget))
    best_of = f"the best of {listed(others)}" if len(others) > 1 else others[0]
    said = clauses(
        phrase(f"{first} is ahead of {best_of} at {{}}", ahead),
        phrase(f"{first} is behind {best_of} at {{}}", behind),
        phrase("no difference is shown at {}", level),
    )
    if ahead:
        holds = "**holds in part**" if behind or level else "**holds**"
    else:
        holds = "**does not hold**" if behind else "is **not shown**"
    return f"{said}. The claim {holds}." if said else ""


def siblings(results: Results) -> list[list[str]]:
    """Each published result beside the run of this study that validation chooses."""
    cells = []
    for published in PUBLISHED:
        choice = results.choices.get((published.name, published.architecture))
        rows = results.section("siblings", published.name)
        losses = intervals(rows, "value", "test_loss")
        if choice is None or choice.value not in losses:
            continue
        flops = rows[rows["value"] == choice.value]["flops"].mean()
        budgets = sorted(losses)  # type: ignore[type-var] - numbers
        sufficient = [budget for budget in budgets if losses[budget].mean < published.test_loss]
        cells.append(
            [
                published.name,
                f"{published.test_loss:.3f}",
                f"**{losses[choice.value]}**",
                flops_text(published.flops),
                flops_text(flops),
                f"{published.flops / flops:.3g}×",
                flops_text(sufficient[0]) if sufficient else "never",
            ]
        )
    return cells


# --- what the naive version lost ------------------------------------------------------------------


def objective(results: Results) -> dict[str, Any] | None:
    """What learning from all positions is worth at equal FLOPs, and the coursework's setup."""
    classic = intervals(results.section("naive", "classic"), "architecture")
    ours = by_budget(results).get(results.study.scale.classic_budget, {})
    cells, gaps = [], {}
    rows = results.section("naive", "objective")
    for architecture in ARCHITECTURES:
        scores = intervals(rows[rows["architecture"] == architecture], "value")
        if set(scores) == {ALL_POSITIONS, LAST_POSITION}:
            every, last = scores[ALL_POSITIONS], scores[LAST_POSITION]
            others = (scores.get(architecture, "") for scores in (classic, ours))
            cells.append([architecture, every, last, *others])
            gaps[architecture] = difference(last, every)
    if not cells:
        return None
    better = [f"{gap} nats better for {name}" for name, gap in gaps.items() if gap.gain]
    worse = [f"{gap} nats worse for {name}" for name, gap in gaps.items() if gap.loss]
    unclear = [name for name, gap in gaps.items() if not gap.clear]
    said = clauses(
        phrase("test log-likelihood at equal FLOPs is {}", better + worse),
        phrase("no difference is shown for {}", unclear, "or"),
    )
    start = "With every position of a row as a target, instead of the last alone"
    return {"rows": cells, "sentence": f"{start}, {said}."}


def meter(results: Results) -> dict[str, Any] | None:
    """How far the coursework's formula is from the FLOPs that are counted."""
    rows: Any = meter_rows(results)  # whose columns pandas gives no types
    theirs = rows[rows["section"] == "naive"].sort_values("ratio")
    said = ""
    if len(theirs) >= 2:
        least, most = theirs.iloc[0], theirs.iloc[-1]
        said = (
            "A common estimate, used by a published version of this coursework, is 2 × parameters "
            "× tokens. Against the FLOPs that are counted it comes, in the coursework's own setup, "
            f"to between {least['ratio']:.2f} times as much for {least['architecture']} and "
            f"{most['ratio']:.2f} times as much for {most['architecture']}: of two models that "
            f"cost the same, one can seem {most['ratio'] / least['ratio']:.3g} times as dear as "
            "the other."
        )
    cells = [
        [
            f"{run.architecture}, {run.setup}",
            f"{run.n_params:,}",
            flops_text(run.formula),
            flops_text(run.flops),
            f"{run.ratio:.2f}×",
        ]
        for run in rows.itertuples()
    ]
    return {"rows": cells, "sentence": said} if cells else None


# --- tokens ---------------------------------------------------------------------------------------


def tokenizers(results: Results) -> list[dict[str, Any]]:
    """A table per budget, and how characters, words and the best tokenizer compare."""
    return [_at(rows) for _, rows in results.section("tokenizers").groupby("value")]


def _at(rows: pd.DataFrame) -> dict[str, Any]:
    budget = rows["value"].iloc[0]
    one: Any = rows.drop_duplicates("name").set_index("name")
    bits = intervals(rows, "name", "bits_per_char")
    scores = intervals(rows, "name", "bits_per_char", sign=-1)
    best = leader_of(scores)
    group: dict[str, Any] = {
        "budget": budget,
        "sentence": "",
        "from_char_to_word": "",
        "rows": [
            [
                name,
                f"{one.vocab_size[name]:,}",
                score,
                f"{spelled:.3f}" if (spelled := one.spelling_bits[name]) else "–",
                f"{one.n_params[name]:,}",
                f"{one.vocabulary_share[name]:.0%}",
                f"{one.head_share[name]:.0%}",
            ]
            for name, score in bits.items()
        ],
        "claim": sentence(compared(best, scores, "bits per character")),
    }
    if {"char", "word"} <= set(bits):
        at = f"{flops_text(budget)} FLOPs"
        vocabulary = " to ".join(f"{one.vocab_size[name]:,}" for name in ("char", "word"))
        share = " to ".join(f"{one.head_share[name]:.0%}" for name in ("char", "word"))
        group["sentence"] = (
            f"At {at} the mean is lowest for {best}, {bits[best]} bits per character on test; "
            f"characters need {bits['char']} and words {bits['word']}."
        )
        group["from_char_to_word"] = (
            f"On one text at {at} the vocabulary goes from {vocabulary} tokens and the share of "
            f"the output layer in the FLOPs from {share}. In bits per character, "
            f"{compared('char', scores, 'bits')}."
        )
    return group


def words(results: Results, dataset: str) -> dict[str, Any] | None:
    """How far more compute lowers perplexity, and whether it gets below that of n-grams."""
    rows: Any = results.word_runs(dataset)
    if rows.empty:
        return None
    losses = results.references[dataset]
    counts = min(losses, key=lambda kind: losses[kind])
    passing = rows[rows["test_loss"] < losses[counts]]["flops"]
    ends = [
        f"{run.perplexity:,.1f} at {flops_text(run.flops)}"
        for run in rows.iloc[[0, -1] if len(rows) > 1 else [0]].itertuples()
    ]
    course = f"goes from {' FLOPs to '.join(ends)}" if len(ends) > 1 else f"is {ends[0]} FLOPs"
    passes = "no budget here is enough to pass it"
    if len(passing):
        passes = f"the transformer passes it from {flops_text(passing.iloc[0])} FLOPs on"
    title = DATASETS[dataset].title
    return {
        "dataset": dataset,
        "title": title,
        "sentence": (
            f"On the words of {title} ({rows['vocab_size'].iloc[0]:,} different tokens) the "
            f"transformer's test perplexity, of one seed each, {course}. The best guess from "
            f"counts alone, {counts}, takes no training FLOPs and scores "
            f"{math.exp(losses[counts]):,.1f}: {passes}."
        ),
        "rows": [
            [
                flops_text(run.flops),
                f"{run.n_params:,}",
                f"{run.val_loss:.3f}",
                f"{run.test_loss:.3f}",
                signed(run.log_likelihood),
                f"{run.perplexity:,.1f}",
                f"{run.head_share:.0%}",
            ]
            for run in rows.itertuples()
        ],
        "guesses": [f"{kind} {loss:.3f}" for kind, loss in losses.items()],
    }


# --- the search -----------------------------------------------------------------------------------


def search(results: Results) -> dict[str, Any] | None:
    """The cost of the search for learning rates."""
    rows = results.all_of("search").drop_duplicates(["run_id"])
    if rows.empty:
        return None
    flops, rates = rows["flops"].sum(), learning_rates(results)
    whole = results.frame.drop_duplicates("run_id")["flops"].sum()
    return {
        "n_runs": f"{len(rows):,}",
        "flops": flops,
        "share": f"{flops / whole:.1%}",
        "n_choices": len(rates),
        "n_at_edge": int(rates["at_edge"].sum()),
    }
