"""The loss curves of the study: which runs they are of, and their mean over seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lm.charts.bands import TRAINING, VALIDATION
from lm.runs import read_run
from lm.study.results import Results
from lm.study.sections import ARCHITECTURES, WORDS

BAND_POINTS = 120  # of a training curve


def curves(results: Results) -> dict[str, pd.DataFrame]:
    """Architecture or corpus of words -> the runs of one budget whose curves are drawn.

    It is the largest budget among those that have the most seeds. Only what has runs is there.
    """
    rows = {name: _best_frontier(results, name) for name in ARCHITECTURES}
    for dataset in WORDS:
        every = results.word_runs(dataset)
        rows[dataset] = every[every["flops"] == every["flops"].max()]
    return {name: runs for name, runs in rows.items() if len(runs)}


def _best_frontier(results: Results, architecture: str) -> pd.DataFrame:
    rows = results.section("frontier", architecture)
    seeds = rows.groupby("value")["seed"].nunique()
    several = seeds[seeds == seeds.max()]
    return rows[rows["value"] == several.index.max()]


def curve_bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Loss against FLOPs over the seeds of one setting, whose runs record the same steps.

    `rows` are runs, as `rows_of` gives them; the result is what `charts.curve_figure` takes.
    """
    parts = []
    metrics = [read_run(path).metrics() for path in rows["path"]]
    for curve, column in ((TRAINING, "train_loss"), (VALIDATION, "sampled_val_loss")):
        series = [frame.set_index("flops")[column].dropna() for frame in metrics]
        joined = pd.concat(series, axis=1, join="inner")
        if curve == TRAINING:
            joined = _binned(joined)
        parts.append(
            pd.DataFrame(
                {
                    "flops": joined.index.astype(float),
                    "curve": curve,
                    "mean": joined.mean(axis=1).to_numpy(),
                    "low": joined.min(axis=1).to_numpy(),
                    "high": joined.max(axis=1).to_numpy(),
                }
            )
        )
    bands = pd.concat(parts, ignore_index=True)
    # on a logarithmic axis the first percent of a run would take half of the picture
    return bands[bands["flops"] >= 0.005 * bands["flops"].max()]


def _binned(joined: pd.DataFrame) -> pd.DataFrame:
    """Means over bins that are equally wide on a logarithmic axis."""
    edges = np.geomspace(joined.index.min(), joined.index.max(), BAND_POINTS)
    bins = np.digitize(joined.index.to_numpy(dtype=float), edges)
    means = joined.groupby(bins).mean()
    means.index = pd.Index(pd.Series(joined.index, dtype=float).groupby(bins).mean())
    return means
