"""The two figures of docs/recipes.md: what budgets buy, and how texts of other lengths fare.

    LM_DATASETS=… python -m bench.recipes_figures

Draws docs/recipes-ladder.png from the ladder that ships, and docs/recipes-texts.png from
docs/texts.csv. What n-grams reach on each text is counted anew, which takes a minute.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pandas as pd

from bench.development import development_text
from bench.texts import BY_LENGTH, CSV
from bench.trained import Table
from lm.architectures import ARCHITECTURES
from lm.base.files import PROJECT
from lm.base.looks import Look
from lm.charts.frontier import frontier_chart
from lm.charts.printing import PLOT_WIDTH, to_png
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram
from lm.jobs.ladder import ladder_store
from lm.runs import RunStore
from lm.runs.frontier import Frontier, Result, loss_on_validation, result_of

DOCS = PROJECT / "docs"
ORDER = 6  # of the n-grams that are counted
AT = "1e+12"  # FLOPs, for the second figure
HEIGHT = 330  # pixels
# the lines' own shapes and colours, with the architectures' names
LOOKS = {
    name: Look(a.look.color, a.look.dash, a.look.shape, a.title)
    for name, a in ARCHITECTURES.items()
}


def of_the_ladder() -> pd.DataFrame:
    """A row for each architecture and budget: validation loss on Tiny Shakespeare."""
    runs = ladder_store(RunStore(PROJECT / "checkpoints")).list()
    ours = [run for run in runs if run.config.data == DataConfig()]
    results = [result_of(run, loss_on_validation) for run in ours]
    frontier = Frontier(result for result in results if isinstance(result, Result))
    return pd.DataFrame(
        [
            {
                "series": name,
                "x": rung.flops,
                "mean": rung.mean,
                "low": rung.least,
                "high": rung.most,
                "n": rung.n_seeds,
                "firm": rung.firm,
            }
            for name in ARCHITECTURES
            for rung in frontier.lines[name]
        ]
    )


def of_texts() -> pd.DataFrame:
    """A row for each architecture and text: validation loss above that of counted n-grams.

    Of the architectures that were trained on all of these texts. Ends the program where none was.
    """
    losses: dict[tuple[str, str], list[float]] = {}
    for row in Table.read(CSV).rows.values():
        if row.budget == AT and row.changed == "{}":
            losses.setdefault((row.text, row.architecture), []).append(float(row.validation))
    rows: list[dict[str, object]] = []
    everywhere = [
        name for name in ARCHITECTURES if all((text, name) in losses for text in BY_LENGTH)
    ]
    if not everywhere:
        raise SystemExit(
            f"docs/{CSV.name} has no architecture of today's recipes with {AT} FLOPs on all of "
            f"{'; '.join(BY_LENGTH)}. Train what is missing: python -m bench.texts"
        )
    for text in BY_LENGTH:
        corpus = development_text(text)
        counting = ngram.evaluate(corpus, ORDER)["valid"].loss
        for name in everywhere:
            above = [loss - counting for loss in losses[text, name]]
            rows.append(
                {
                    "series": name,
                    "x": corpus.train.n_tokens,
                    "mean": fmean(above),
                    "low": min(above),
                    "high": max(above),
                    "n": len(above),
                    "firm": False,
                }
            )
    return pd.DataFrame(rows)


def draw(
    rungs: pd.DataFrame, path: Path, y_title: str, x_title: str, references: dict[str, float]
) -> None:
    """Write a chart of lines as a picture."""
    looks = {name: LOOKS[name] for name in rungs["series"].unique()}
    chart = frontier_chart(
        rungs, looks, y_title=y_title, x_title=x_title, references=references, height=HEIGHT
    )
    path.write_bytes(to_png(chart.properties(width=PLOT_WIDTH)))


def main() -> None:
    """Draw both."""
    counted = ngram.evaluate(load(DataConfig()), ORDER)["valid"].loss
    draw(
        of_the_ladder(),
        DOCS / "recipes-ladder.png",
        "Validation loss in nats per character",
        "Training FLOPs",
        references={f"{ORDER}-gram": counted},
    )
    draw(
        of_texts(),
        DOCS / "recipes-texts.png",
        f"Nats per character above a {ORDER}-gram",
        "Characters of the train split",
        references={f"{ORDER}-gram": 0.0},
    )


if __name__ == "__main__":
    main()
