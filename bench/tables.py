"""What it saves to update only the rows of n-gram tables that a step reads, and what it changes.

    LM_DATASETS=… python -m bench.tables

Trains the default recipes for Tiny Shakespeare both ways, one after the other, on one thread;
takes two minutes. Quote it from an idle machine.
"""

import itertools
import tempfile

from bench.recipes import recipe
from lm.architectures import ARCHITECTURES
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import Run, RunStore
from lm.runs.prepare import prepare
from lm.training import execute

BUDGETS = (1e10, 1e11)
WAYS = ("every_row", "touched_rows")


def main() -> None:
    """Print a row per architecture and budget: milliseconds a step, and validation losses."""
    corpus = load(DataConfig(dataset="tiny_shakespeare"))
    print("| | every row | rows read | times as fast | validation, every row | rows read |")
    print("|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for budget, architecture in itertools.product(BUDGETS, ARCHITECTURES):
            config = recipe(corpus, architecture, budget)
            runs: list[Run] = []
            for way in WAYS:
                training = config.training.replace(table_update=way, threads=1)
                run = prepare(config.replace(training=training), RunStore(folder), corpus=corpus)
                runs.append(execute(run, corpus=corpus))
            each = [1000 * run.status.seconds / run.status.step for run in runs]
            losses = [run.status.valid.loss for run in runs if run.status.valid]
            print(
                f"| {architecture}, {budget:.0e} | {each[0]:.2f} ms | {each[1]:.2f} ms "
                f"| {each[0] / each[1]:.2f} | {losses[0]:.5f} | {losses[1]:.5f} |"
            )


if __name__ == "__main__":
    main()
