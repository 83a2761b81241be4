"""The numbers of each section of the report: the rows of its tables, and its claims."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pandas as pd

from lm.base.flops import flops_text
from lm.base.wording import signed
from lm.datasets import DATASETS
from lm.runs.intervals import Interval, difference
from lm.study.claims import LOG_LIKELIHOOD, few_seeds, intervals
from lm.study.knobs import KNOBS, Knob
from lm.study.published import PUBLISHED, Published
from lm.study.report.comparing import by_budget, compared, knob_intervals, leader_of
from lm.study.report.tables import learning_rates
from lm.study.results import Results, meter_rows
from lm.study.sections import ALL_POSITIONS, ARCHITECTURES, LAST_POSITION, WORDS


def sections(results: Results) -> dict[str, Any]:
    """Section -> the numbers in its template; None or empty where there are no runs for it."""
    return {
        "siblings": [row for published in PUBLISHED if (row := _sibling(results, published))],
        "frontier": _frontier(results),
        "knobs": _knobs(results),
        "objective": _objective(results),
        "meter": _meter(results),
        "tokenizers": _tokenizers(results),
        "words": [corpus for name in WORDS if (corpus := _word_corpus(results, name))],
        "search": _search(results),
    }


def _sibling(results: Results, published: Published) -> list[str] | None:
    choice = results.choices.get((published.name, published.architecture))
    rows = results.section("siblings", published.name)
    losses = intervals(rows, "value", "test_loss")
    if choice is None or choice.value not in losses:
        return None
    flops = rows[rows["value"] == choice.value]["flops"].mean()
    budgets = sorted(losses)  # type: ignore[type-var] - numbers
    sufficient = [budget for budget in budgets if losses[budget].mean < published.test_loss]
    return [
        published.name,
        f"{published.test_loss:.3f}",
        f"**{losses[choice.value]}**",
        flops_text(published.flops),
        flops_text(flops),
        f"{published.flops / flops:.3g}×",
        flops_text(sufficient[0]) if sufficient else "never",
    ]


def _frontier(results: Results) -> dict[str, Any] | None:
    budgets = by_budget(results)
    if not budgets:
        return None
    return {
        "heading": ["architecture", *(flops_text(budget) for budget in budgets)],
        "rows": [
            [name, *(str(scores.get(name, "")) for scores in budgets.values())]
            for name in ARCHITECTURES
        ],
        "claims": [
            {"budget": budget, "claim": compared(leader_of(scores), scores, "nats")}
            for budget, scores in budgets.items()
        ],
        "curves": [name for name in ARCHITECTURES if len(results.section("frontier", name))],
    }


# --- hyperparameters ------------------------------------------------------------------------------


def _knobs(results: Results) -> list[dict[str, Any]]:
    """A group per figure, with a row per hyperparameter and architecture."""
    groups = []
    for figure in dict.fromkeys(knob.figure for knob in KNOBS):
        rows = [
            row
            for knob in KNOBS
            if knob.figure == figure
            for architecture in knob.values
            if (row := _knob(results, knob, architecture))
        ]
        if rows:
            name = figure.replace("-", " ")
            groups.append(
                {"figure": figure, "title": name.capitalize(), "name": name, "rows": rows}
            )
    return groups


def _knob(results: Results, knob: Knob, architecture: str) -> dict[str, Any] | None:
    scores = knob_intervals(results, knob.family, architecture)
    choice = results.choices.get((knob.family, architecture))
    if len(scores) < 2 or choice is None or choice.value not in scores:
        return None
    return {
        "title": knob.title,
        "architecture": architecture,
        "tried": list(scores),
        "choice": choice.value,
        "score": scores[choice.value],
        "claim": compared(choice.value, scores, "nats"),
        "few_seeds": few_seeds(scores),
    }


# --- what the naive version lost ------------------------------------------------------------------


def _objective(results: Results) -> dict[str, Any] | None:
    rows = results.section("naive", "objective")
    classic = results.section("naive", "classic")
    frontier = results.section("frontier")
    frontier = frontier[frontier["value"] == results.study.scale.classic_budget]
    cells, claims = [], []

    def score(frame: pd.DataFrame, architecture: str) -> str:
        values = frame[frame["architecture"] == architecture][LOG_LIKELIHOOD].tolist()
        return str(Interval.of(values)) if values else ""

    for architecture in ARCHITECTURES:
        scores = intervals(rows[rows["architecture"] == architecture], "value")
        if set(scores) != {ALL_POSITIONS, LAST_POSITION}:
            continue
        cells.append(
            [
                architecture,
                str(scores[ALL_POSITIONS]),
                str(scores[LAST_POSITION]),
                score(classic, architecture),
                score(frontier, architecture),
            ]
        )
        claims.append(
            {
                "architecture": architecture,
                "few_seeds": few_seeds(scores),
                "gap": difference(scores[LAST_POSITION], scores[ALL_POSITIONS]),
            }
        )
    return {"rows": cells, "claims": claims} if cells else None


def _named_tuples(frame: pd.DataFrame) -> Iterable[Any]:
    """The rows of a table by the names of its columns, of which pandas gives no types."""
    return frame.itertuples()


def _meter(results: Results) -> list[list[str]]:
    return [
        [
            f"{run.architecture}, {run.setup}",
            f"{run.n_params:,}",
            flops_text(run.formula),
            flops_text(run.flops),
            f"{run.ratio:.2f}×",
        ]
        for run in _named_tuples(meter_rows(results))
    ]


# --- tokens ---------------------------------------------------------------------------------------


def _tokenizers(results: Results) -> list[dict[str, Any]]:
    """A table per budget."""
    return [
        _tokenizers_at(cast(float, budget), group)
        for budget, group in results.section("tokenizers").groupby("value")
    ]


def _tokenizers_at(budget: float, rows: pd.DataFrame) -> dict[str, Any]:
    one: Any = rows.drop_duplicates("name").set_index("name")
    fewer_bits = intervals(rows, "name", "bits_per_char", sign=-1)
    return {
        "budget": budget,
        "rows": [
            [
                name,
                f"{one.vocab_size[name]:,}",
                str(bits),
                f"{spelled:.3f}" if (spelled := one.spelling_bits[name]) else "–",
                f"{one.n_params[name]:,}",
                f"{one.vocabulary_share[name]:.0%}",
                f"{one.head_share[name]:.0%}",
            ]
            for name, bits in intervals(rows, "name", "bits_per_char").items()
        ],
        "claim": compared(leader_of(fewer_bits), fewer_bits, "bits per character"),
    }


def _word_corpus(results: Results, dataset: str) -> dict[str, Any] | None:
    rows = results.word_runs(dataset)
    if rows.empty:
        return None
    return {
        "dataset": dataset,
        "title": DATASETS[dataset].title,
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
            for run in _named_tuples(rows)
        ],
        "guesses": [f"{kind} {loss:.3f}" for kind, loss in results.references[dataset].items()],
    }


# --- the search -----------------------------------------------------------------------------------


def _search(results: Results) -> dict[str, Any] | None:
    rows = results.all_of("search").drop_duplicates(["run_id"])
    if rows.empty:
        return None
    whole = results.frame.drop_duplicates("run_id")["flops"].sum()
    rates = learning_rates(results)
    return {
        "n_runs": f"{len(rows):,}",
        "flops": rows["flops"].sum(),
        "share": f"{rows['flops'].sum() / whole:.1%}",
        "n_choices": len(rates),
        "n_at_edge": int(rates["at_edge"].sum()),
    }
