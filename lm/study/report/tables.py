"""Tables that are too long for the report, as CSV files beside it."""

from __future__ import annotations

import pandas as pd

from lm.study.knobs import KNOBS
from lm.study.report.hyperparameters import scores_of
from lm.study.results import Results
from lm.study.shipped import RUNS_TABLE


def tables(results: Results) -> dict[str, pd.DataFrame]:
    """Name of a file -> its table, for all that the results have runs for.

    The table of runs has a row per run and section; for its column `counts` see `results.rows_of`.
    """
    every = {
        "learning-rates": learning_rates(results),
        "hyperparameters": hyperparameters(results),
        RUNS_TABLE: results.frame.drop(columns="path"),
    }
    return {name: table for name, table in every.items() if len(table)}


def learning_rates(results: Results) -> pd.DataFrame:
    """A row for each search of a learning rate: what was tried, and what validation chose.

    `at_edge` says that more than two rates were tried and the best is the largest or the smallest.
    """
    rows = []
    for (name, budget), group in results.all_of("search").groupby(["name", "value"], sort=False):
        best = group[group["counts"]]
        if best.empty:
            continue
        factor = best["factor"].iloc[0]
        ends = (group["factor"].min(), group["factor"].max())
        rows.append(
            {
                "tuned": name,
                "budget_flops": budget,
                "rates_tried": " ".join(f"{rate:g}" for rate in sorted(set(group["rate"]))),
                "rate": best["rate"].iloc[0],
                "at_edge": group["factor"].nunique() > 2 and factor in ends,
                "val_loss": best["val_loss"].mean(),
                "seeds": best["seed"].nunique(),
                "search_flops": group.drop_duplicates("run_id")["flops"].sum(),
            }
        )
    return pd.DataFrame(rows)


def hyperparameters(results: Results) -> pd.DataFrame:
    """A row per value of every hyperparameter and architecture, over its seeds."""
    rows = []
    for knob in KNOBS:
        every = results.section("knobs", knob.family)
        for architecture in knob.values:
            choice = results.choices.get((knob.family, architecture))
            for value, score in scores_of(results, knob, architecture).items():
                runs = every[(every["architecture"] == architecture) & (every["value"] == value)]
                rows.append(
                    {
                        "hyperparameter": knob.title,
                        "architecture": architecture,
                        "value": value,
                        "chosen_on_validation": choice is not None and choice.value == value,
                        "test_log_likelihood": score.mean,
                        "half_width_95": score.half_width if score.n > 1 else None,
                        "seeds": score.n,
                        "val_loss": runs["val_loss"].mean(),
                        "learning_rate": runs["rate"].iloc[0],
                        "flops": runs["flops"].mean(),
                        "n_params": runs["n_params"].iloc[0],
                    }
                )
    return pd.DataFrame(rows)
