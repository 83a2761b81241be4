"""The intervals of the study's results, by the values of a column."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lm.runs.intervals import LEAST_SEEDS, Interval

LOG_LIKELIHOOD = "log_likelihood"


def intervals(
    rows: pd.DataFrame, by: str, column: str = LOG_LIKELIHOOD, *, sign: int = 1
) -> dict[object, Interval]:
    """For each value of column `by`, the interval of `column`, times `sign`, over its seeds."""
    return {
        key: Interval.of((sign * group[column]).tolist())
        for key, group in rows.groupby(by, sort=False)
    }


def few_seeds(by_name: Mapping[object, Interval]) -> bool:
    """Whether an interval rests on too few seeds to claim anything."""
    return any(interval.n < LEAST_SEEDS for interval in by_name.values())
