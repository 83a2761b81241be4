"""What the report says about hyperparameters: which values are best, and which matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lm.base.wording import listed
from lm.runs.intervals import Difference, difference
from lm.study.knobs import CONTEXT, KNOBS, Knob
from lm.study.report.comparing import (
    ONE_SEED,
    Scores,
    clauses,
    compared,
    few_seeds,
    intervals,
    phrase,
    reach,
    sentence,
)
from lm.study.results import Results
from lm.study.sections import ARCHITECTURES

WHOSE = {"mlp": "The MLP's", "attention": "Attention's"}  # of an architecture, in a sentence


class Tried(NamedTuple):
    """The values of a hyperparameter that were tried with an architecture."""

    title: str
    architecture: str
    scores: Scores  # value -> log-likelihood on test
    choice: Any  # the value that is best on validation

    @property
    def sentence(self) -> str:
        found = f"validation chooses {self.choice}: {self.scores[self.choice]} nats on test"
        claim = sentence(compared(self.choice, self.scores))
        return f"Of {listed(self.scores)} {found}. {claim}"


def scores_of(results: Results, knob: Knob, architecture: str) -> Scores:
    """Value of a hyperparameter -> the test log-likelihood of an architecture with it."""
    rows = results.section("knobs", knob.family)
    return intervals(rows[rows["architecture"] == architecture], "value")


def tried(results: Results, knobs: Iterable[Knob]) -> list[Tried]:
    """The hyperparameters of which two values have results, for each architecture."""
    found = []
    for knob in knobs:
        for architecture in knob.values:
            scores = scores_of(results, knob, architecture)
            choice = results.choices.get((knob.family, architecture))
            if len(scores) >= 2 and choice is not None and choice.value in scores:
                found.append(Tried(knob.title, architecture, scores, choice.value))
    return found


def groups(results: Results) -> dict[str, list[Tried]]:
    """Name of a figure -> the hyperparameters that it draws."""
    by_figure: dict[str, list[Knob]] = {}
    for knob in KNOBS:
        by_figure.setdefault(knob.figure, []).append(knob)
    found = {figure: tried(results, knobs) for figure, knobs in by_figure.items()}
    return {figure: rows for figure, rows in found.items() if rows}


def context(results: Results) -> str:
    """The context length that validation chooses, and what the longest costs on test."""
    choices, costs = [], []
    for row in tried(results, [CONTEXT]):
        least, most = min(row.scores), max(row.scores)  # type: ignore[type-var] - numbers
        choices.append(f"{row.choice} for {row.architecture} (of {least} to {most})")
        cost = difference(row.scores[most], row.scores[row.choice])
        if cost.gain:
            costs.append(f"{cost} for {row.architecture}")
    chosen = phrase(
        "Of the context lengths that were tried, in tokens, validation chooses {}. ", choices
    )
    against = "The longest costs, on test and in nats against that choice, {}."
    return f"{chosen}{phrase(against, costs)}".strip()


def moves(
    results: Results,
    architecture: str,
    knobs: Iterable[Knob],
    more: Mapping[str, Difference | None] | None = None,
) -> str:
    """How far settings of an architecture move its result, from the worst to the best value tried.

    `more` are differences by title, in addition to those of `knobs`.
    """
    known = {
        knob.title: reach(scores_of(results, knob, architecture))
        for knob in knobs
        if architecture in knob.values
    } | dict(more or {})
    titles = {title: f"{title[0].lower()}{title[1:]}".partition(" (")[0] for title in known}
    by_title = {titles[title]: moved for title, moved in known.items() if moved}
    clear = [title for title, moved in by_title.items() if moved.clear]
    clear.sort(key=lambda title: -by_title[title].mean)
    sizes = [f"{title} ({by_title[title]})" for title in clear]
    whose = WHOSE.get(architecture, f"The {architecture}'s")
    most = phrase(
        f"{whose} test log-likelihood moves most, in nats from the worst to the best of the values "
        "tried, with {}",
        sizes[:3],
    )
    unclear = [title for title in by_title if title not in clear]
    none = phrase("No difference is shown between the values of {}.", unclear, "or")
    return f"{sentence(clauses(most, phrase('then with {}', sizes[3:])))} {none}".strip()


def settings(results: Results) -> str:
    """Which settings of the transformer matter most, its learning rate among them."""
    rate = reach(intervals(results.rates_at_knobs("transformer"), "factor"))
    return moves(results, "transformer", KNOBS, {"Learning rate": rate})


def rate(results: Results) -> str:
    """How far the learning rate moves the transformer's result, beside its shape."""
    rates = results.rates_at_knobs("transformer")
    shapes = {
        knob.title: moved.mean
        for knob in KNOBS
        if knob.figure in ("transformer-shape", CONTEXT.figure)
        and (moved := reach(scores_of(results, knob, "transformer")))
    }
    moved = reach(intervals(rates, "factor"))
    if moved is None or not shapes:
        return ""
    largest = max(shapes, key=lambda title: shapes[title])
    return (
        f"moves the transformer's test log-likelihood by {moved.mean:.2f} nats over the rates "
        f"tried ({rates['rate'].min():g} to {rates['rate'].max():g}); of the shape, {largest} "
        f"moves it most, by {shapes[largest]:.2f} over the values tried."
    )


def longer_contexts(results: Results) -> list[str]:
    """Whether a longer context helps the simpler models, and up to which length."""
    claims = []
    for row in tried(results, [CONTEXT]):
        if row.architecture in ARCHITECTURES[:2]:
            lengths = sorted(row.scores)  # type: ignore[type-var] - numbers
            chosen = f"of {listed(lengths)} tokens, validation chooses {row.choice}"
            claims.append(f"{row.architecture}: {chosen}. {_ends(row, lengths[0], lengths[-1])}")
    return claims


def _ends(row: Tried, first: object, last: object) -> str:
    """How the shortest and the longest context stand against the one that validation chooses."""
    if few_seeds(row.scores):
        return sentence(ONE_SEED)
    ends = [end for end in (first, last) if end != row.choice]
    gaps = {end: difference(row.scores[end], row.scores[row.choice]) for end in ends}
    worse = [f"{end} by {gap} nats" for end, gap in gaps.items() if gap.gain]
    claim = sentence(phrase("on test it is better than {}", worse))
    if len(worse) == 2:
        return f"{claim} It **holds**."
    if row.choice == first and worse:
        return f"{claim} **Longer only hurts** at this budget."
    return f"{claim} It is **not shown** whole.".strip()
