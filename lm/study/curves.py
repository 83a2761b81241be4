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

    It is the largest budget among those that have the most seeds.
    """
    rows = {name: results.section("frontier", name) for name in ARCHITECTURES}
    rows |= {dataset: results.word_runs(dataset) for dataset in WORDS}
    largest = {}
    for name, runs in rows.items():
        if len(runs):
            seeds = runs.groupby("value")["seed"].nunique()
            largest[name] = runs[runs["value"] == seeds[seeds == seeds.max()].index.max()]
    return largest


def curve_bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Loss against FLOPs over the seeds of one setting, whose runs record the same steps.

    `rows` are runs, as `rows_of` gives them; the result is what `charts.curve_figure` takes.
    """
    parts = []
    metrics = [read_run(path).metrics() for path in rows["path"]]
    for curve, column in ((TRAINING, "train_loss"), (VALIDATION, "sampled_val_loss")):
        series = [frame.set_index("flops")[column].dropna() for frame in metrics]
        joined = pd.concat(series, axis=1, join="inner")
        if curve == TRAINING:  # means over bins that are equally wide on a logarithmic axis
            flops = joined.index.to_numpy(dtype=float)
            bins = np.digitize(flops, np.geomspace(flops.min(), flops.max(), BAND_POINTS))
            joined = joined.groupby(bins).mean().set_axis(pd.Series(flops).groupby(bins).mean())
        spread = {
            "mean": joined.mean(axis=1),
            "low": joined.min(axis=1),
            "high": joined.max(axis=1),
        }
        parts.append(pd.DataFrame({"curve": curve, **spread}).rename_axis("flops").reset_index())
    bands = pd.concat(parts, ignore_index=True)
    # on a logarithmic axis the first percent of a run would take half of the picture
    return bands[bands["flops"] >= 0.005 * bands["flops"].max()]
