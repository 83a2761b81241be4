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
from lm.runs.frontier import Frontier, loss_on_validation

DOCS = PROJECT / "docs"
ORDER = 6  # of the n-grams that are counted
COUNTING = f"{ORDER}-gram"
COLUMNS = ["series", "x", "mean", "low", "high", "n", "firm"]  # of `charts.frontier_chart`
AT = 1e12  # FLOPs, for the second figure
# the lines' own shapes and colours, with the architectures' names
LOOKS = {
    name: Look(a.look.color, a.look.dash, a.look.shape, a.title)
    for name, a in ARCHITECTURES.items()
}


def of_the_ladder() -> pd.DataFrame:
    """A row for each architecture and budget: validation loss on Tiny Shakespeare."""
    runs = ladder_store(RunStore(PROJECT / "checkpoints")).list()
    ours = [run for run in runs if run.config.data == DataConfig()]
    frontier = Frontier.of(ours, loss_on_validation)
    return pd.DataFrame(
        [
            (name, rung.flops, rung.mean, rung.least, rung.most, rung.n_seeds, rung.firm)
            for name in ARCHITECTURES
            for rung in frontier.lines[name]
        ],
        columns=COLUMNS,
    )


def of_texts() -> pd.DataFrame:
    """A row for each architecture and text: validation loss above that of counted n-grams.

    Of the architectures that were trained on all of these texts. Ends the program where none was.
    """
    losses: dict[tuple[str, str], list[float]] = {}
    for job, row in Table.read(CSV).rows.items():
        if job.budget == AT and job.changed == "{}":
            losses.setdefault((job.text, job.architecture), []).append(float(row["validation"]))
    complete = [name for name in ARCHITECTURES if all((text, name) in losses for text in BY_LENGTH)]
    if not complete:
        raise SystemExit(
            f"docs/{CSV.name} has no architecture of today's recipes with {AT:.0e} FLOPs on all of "
            f"{'; '.join(BY_LENGTH)}. Train what is missing: python -m bench.texts"
        )
    rows: list[tuple[object, ...]] = []
    for text in BY_LENGTH:
        corpus = development_text(text)
        counting = ngram.evaluate(corpus, ORDER)["valid"].loss
        for name in complete:
            above = [loss - counting for loss in losses[text, name]]
            spread = (fmean(above), min(above), max(above), len(above))
            rows.append((name, corpus.train.n_tokens, *spread, False))
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(rungs: pd.DataFrame, path: Path, y_title: str, x_title: str, counting: float) -> None:
    """Write a chart of lines as a picture, with a line for counted n-grams."""
    chart = frontier_chart(
        rungs,
        {name: LOOKS[name] for name in rungs["series"].unique()},
        y_title=y_title,
        x_title=x_title,
        references={COUNTING: counting},
        height=330,
    )
    path.write_bytes(to_png(chart.properties(width=PLOT_WIDTH)))


def main() -> None:
    """Draw both."""
    counted = ngram.evaluate(load(DataConfig()), ORDER)["valid"].loss
    in_nats = "Validation loss in nats per character"
    draw(of_the_ladder(), DOCS / "recipes-ladder.png", in_nats, "Training FLOPs", counted)
    above = f"Nats per character above a {COUNTING}"
    draw(of_texts(), DOCS / "recipes-texts.png", above, "Characters of the train split", 0.0)


if __name__ == "__main__":
    main()
