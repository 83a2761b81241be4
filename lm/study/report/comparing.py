"""Intervals over seeds, and how the report words a comparison of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import pandas as pd

from lm.base.wording import listed
from lm.runs.intervals import LEAST_SEEDS, Difference, Interval, difference
from lm.study.results import Results

ONE_SEED = "fewer than three seeds, so no difference is claimed"
Scores = dict[object, Interval]  # what is compared -> its mean over seeds


def intervals(
    rows: pd.DataFrame, by: str, column: str = "log_likelihood", *, sign: int = 1
) -> Scores:
    """For each value of column `by`, the interval of `column`, times `sign`, over its seeds."""
    return {
        key: Interval.of((sign * group[column]).tolist())
        for key, group in rows.groupby(by, sort=False)
    }


def by_budget(results: Results) -> dict[float, Scores]:
    """Budget -> architecture -> its test log-likelihood at the frontier."""
    rows = results.section("frontier")
    return {
        cast(float, budget): intervals(group, "architecture")
        for budget, group in sorted(rows.groupby("value"))
    }


def few_seeds(scores: Scores) -> bool:
    """Whether an interval rests on too few seeds to claim anything."""
    return any(interval.n < LEAST_SEEDS for interval in scores.values())


def reach(scores: Scores) -> Difference | None:
    """The difference from the worst to the best of some means; None where there are not two."""
    if len(scores) < 2:
        return None
    order = sorted(scores.values(), key=lambda score: score.mean)
    return difference(order[0], order[-1])


def leader_of(scores: Scores) -> object:
    """The name with the largest mean."""
    return max(scores, key=lambda name: scores[name].mean)


def compared(leader: object, scores: Scores, unit: str = "nats") -> str:
    """How `leader` stands against the others, or that there are too few seeds to say."""
    return ONE_SEED if few_seeds(scores) else against_others(leader, scores, unit)


def against_others(leader: object, scores: Mapping[object, Interval], unit: str) -> str:
    """How `leader` stands against the others, as a clause.

    For example "a beats b by 0.05 ± 0.01 nats; no difference is shown from c".
    """
    others = [name for name in scores if name != leader]
    gaps = {name: difference(scores[name], scores[leader]) for name in others}
    ahead = [f"{name} by {gap}" for name, gap in gaps.items() if gap.gain]
    behind = [f"{name} by {gap}" for name, gap in gaps.items() if gap.loss]
    doubtful = [name for name, gap in gaps.items() if not gap.clear]
    verbs = [phrase(f"beats {{}} {unit}", ahead), phrase(f"is behind {{}} {unit}", behind)]
    shown = phrase(f"{leader} {{}}", filter(None, verbs))
    between = "from" if shown else f"between {leader} and"
    return clauses(shown, phrase(f"no difference is shown {between} {{}}", doubtful, "or"))


def phrase(text: str, items: Iterable[object], last: str = "and") -> str:
    """`text` with the list of the items at its {}; empty where there are none."""
    items = list(items)
    return text.format(listed(items, last)) if items else ""


def clauses(*parts: str) -> str:
    """The parts that are not empty, with semicolons between them."""
    return "; ".join(filter(None, parts))


def sentence(text: str) -> str:
    """`text` with a capital at its start and a full stop at its end; empty if it is."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
