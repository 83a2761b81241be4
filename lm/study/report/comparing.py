"""What several parts of the report ask of the results, and how they word a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pandas as pd

from lm.base.wording import listed
from lm.runs.intervals import Difference, Interval, difference
from lm.study.claims import few_seeds, intervals
from lm.study.results import Results

CONTEXT = "context-length/context"  # the hyperparameter that every architecture has
ONE_SEED = "fewer than three seeds, so no difference is claimed"


def by_budget(results: Results) -> dict[float, dict[object, Interval]]:
    """Budget -> architecture -> its test log-likelihood at the frontier."""
    rows = results.section("frontier")
    return {
        cast(float, budget): intervals(group, "architecture")
        for budget, group in sorted(rows.groupby("value"))
    }


def rates_at_knobs(results: Results, architecture: str) -> pd.DataFrame:
    """Every rate of the search at the knobs' budget that has a result on test."""
    rows = results.all_of("search", architecture)
    return rows[(rows["value"] == results.study.scale.knob_budget) & rows["test_loss"].notna()]


def knob_intervals(results: Results, family: str, architecture: str) -> dict[object, Interval]:
    """Value of a hyperparameter -> the test log-likelihood of an architecture with it."""
    rows = results.section("knobs", family)
    return intervals(rows[rows["architecture"] == architecture], "value")


def reach(by_name: Mapping[object, Interval]) -> Difference | None:
    """The difference from the worst to the best of some means; None where there are not two."""
    if len(by_name) < 2:
        return None
    order = sorted(by_name.values(), key=lambda score: score.mean)
    return difference(order[0], order[-1])


def leader_of(by_name: Mapping[object, Interval]) -> object:
    """The name with the largest mean."""
    return max(by_name, key=lambda name: by_name[name].mean)


def compared(leader: object, by_name: Mapping[object, Interval], unit: str) -> str:
    """How `leader` stands against the others, or that there are too few seeds to say."""
    return ONE_SEED if few_seeds(by_name) else against_others(leader, by_name, unit)


def against_others(leader: object, by_name: Mapping[object, Interval], unit: str) -> str:
    """How `leader` stands against the others, as a clause.

    For example "a beats b by 0.05 ± 0.01 nats; no difference is shown from c".
    """
    gaps = {
        name: difference(interval, by_name[leader])
        for name, interval in by_name.items()
        if name != leader
    }
    ahead = [f"{name} by {gap}" for name, gap in gaps.items() if gap.gain]
    behind = [f"{name} by {gap}" for name, gap in gaps.items() if gap.loss]
    doubtful = [name for name, gap in gaps.items() if not gap.clear]
    verbs = [
        f"{verb} {listed(names)} {unit}"
        for verb, names in (("beats", ahead), ("is behind", behind))
        if names
    ]
    clauses = [f"{leader} {listed(verbs)}"] if verbs else []
    if doubtful:
        between = "from" if verbs else f"between {leader} and"
        clauses.append(f"no difference is shown {between} {listed(doubtful, 'or')}")
    return "; ".join(clauses)
