"""The frontier: what each architecture reaches at each budget, and how far a run is from it.

It is read off a ladder: runs by one recipe, of several architectures, at several budgets, each with
several seeds. Between two budgets a line is taken to be straight over the logarithm of FLOPs;
beyond the first and the last nothing is claimed. Scores are losses, so that lower is better: nats
per token, or bits per character.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from lm.runs.intervals import LEAST_SEEDS
from lm.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run of a ladder came to."""

    architecture: str
    budget: float  # FLOPs that it was allowed
    flops: float  # training FLOPs that it took
    score: float


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The runs of one architecture at one budget."""

    budget: float
    flops: float  # mean over the seeds
    mean: float
    least: float
    most: float
    n_seeds: int

    @property
    def firm(self) -> bool:
        """Whether there are seeds enough to say how far chance goes."""
        return self.n_seeds >= LEAST_SEEDS


def budget_of(run: Run) -> float:
    """The FLOPs that a run was allowed or, without a budget, those that it took."""
    return run.config.training.most_flops or run.status.flops.total


def loss_on_test(run: Run) -> float | None:
    """Nats per token on test or, where a text has no test split, on validation."""
    scored = run.status.test or run.status.valid
    return scored.loss if scored else None


def loss_on_validation(run: Run) -> float | None:
    """Nats per token on validation."""
    return run.status.valid.loss if run.status.valid else None


Line = tuple[Rung, ...]  # of one architecture, at rising FLOPs


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How a run compares with the frontier of its recipe."""

    gap: float  # its score less the frontier's at its FLOPs: above 0 it is worse
    enough: float | None  # the least FLOPs with which the ladder reaches its score, if it does


@dataclass(frozen=True, kw_only=True)
class Lead:
    """A stretch of neighbouring budgets over which one architecture leads, or none does."""

    architecture: str | None  # None: the best two are not separated
    low: float  # the first budget of the stretch
    high: float  # and the last
    firm: bool = True  # False: some budget has too few seeds to tell


class Frontier:
    """The lines of a ladder, and the lowest of them at every budget."""

    def __init__(self, results: Iterable[Result]) -> None:
        """From the runs of a ladder, in any order."""
        grouped: dict[str, dict[float, list[Result]]] = {}
        for result in results:
            of_budget = grouped.setdefault(result.architecture, {})
            of_budget.setdefault(result.budget, []).append(result)
        self.lines: Mapping[str, Line] = {
            architecture: tuple(_rung(budget, rungs[budget]) for budget in sorted(rungs))
            for architecture, rungs in grouped.items()
        }

    @classmethod
    def of(cls, runs: Iterable[Run], score: Callable[[Run], float | None]) -> Frontier:
        """From the runs of a ladder that have been scored."""
        return cls(
            Result(
                architecture=run.config.model.architecture,
                budget=budget_of(run),
                flops=run.status.flops.total,
                score=value,
            )
            for run in runs
            if (value := score(run)) is not None
        )

    def __bool__(self) -> bool:
        """Whether there is any line."""
        return bool(self.lines)

    def best_at(self, flops: float) -> tuple[str, float] | None:
        """The architecture that is lowest at some FLOPs, and its score; None beyond the ladder."""
        scores = [(score_at(line, flops), name) for name, line in self.lines.items()]
        best = min(((score, name) for score, name in scores if score is not None), default=None)
        return best and (best[1], best[0])

    def enough_for(self, score: float) -> float | None:
        """The least FLOPs with which any line reaches a score; None if none does.

        None, too, where a line begins below the score: less than its first budget may do.
        """
        if any(line[0].mean <= score for line in self.lines.values()):
            return None
        enough = [flops_for(line, score) for line in self.lines.values()]
        return min((flops for flops in enough if flops is not None), default=None)

    def distance(self, flops: float, score: float) -> Distance | None:
        """How far a run is from the frontier; None for a run beyond its ends."""
        best = self.best_at(flops)
        return best and Distance(gap=score - best[1], enough=self.enough_for(score))

    def leads(self) -> list[Lead]:
        """Who leads, at rising budgets.

        An architecture leads where its worst seed is better than the best seed of every other. A
        budget at which one architecture alone was trained says nothing.
        """
        leads: list[Lead] = []
        for budget in sorted({rung.budget for line in self.lines.values() for rung in line}):
            rungs = {
                name: rung
                for name, line in self.lines.items()
                for rung in line
                if rung.budget == budget
            }
            if len(rungs) < 2:
                continue
            first = min(rungs, key=lambda name: rungs[name].mean)
            firm = all(rung.firm for rung in rungs.values())
            others = [rung.least for name, rung in rungs.items() if name != first]
            leader = first if firm and rungs[first].most < min(others) else None
            if leads and (leads[-1].architecture, leads[-1].firm) == (leader, firm):
                leads[-1] = replace(leads[-1], high=budget)
            else:
                leads.append(Lead(architecture=leader, low=budget, high=budget, firm=firm))
        return leads


def score_at(line: Sequence[Rung], flops: float) -> float | None:
    """A line's score at some FLOPs; None beyond its ends.

    The ends reach 1 % further than their means, which lie that much apart between architectures.
    """
    if not line or not 0.99 * line[0].flops <= flops <= 1.01 * line[-1].flops:
        return None
    flops = min(max(flops, line[0].flops), line[-1].flops)
    for left, right in itertools.pairwise(line):
        if flops <= right.flops:
            share = math.log(flops / left.flops) / math.log(right.flops / left.flops)
            return left.mean + share * (right.mean - left.mean)
    return line[-1].mean


def flops_for(line: Sequence[Rung], score: float) -> float | None:
    """The least FLOPs with which a line reaches a score; None if it does not, or begins there."""
    for left, right in itertools.pairwise(line):
        if left.mean > score >= right.mean:
            share = (left.mean - score) / (left.mean - right.mean)
            return left.flops * (right.flops / left.flops) ** share
    return None


def _rung(budget: float, results: Sequence[Result]) -> Rung:
    scores = [result.score for result in results]
    return Rung(
        budget=budget,
        flops=fmean(result.flops for result in results),
        mean=fmean(scores),
        least=min(scores),
        most=max(scores),
        n_seeds=len(scores),
    )
