"""How long a run's scores and samples take beside its training.

    LM_DATASETS=… python -m bench.beside_training [BUDGET …]

Trains the default recipes for Tiny Shakespeare twice, the first time to make their programs, and
times what the second spends on scoring and writing; takes half a minute for 1e10. Quote it from an
idle machine.
"""

import itertools
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from bench.recipes import recipe
from lm.architectures import ARCHITECTURES
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.prepare import prepare
from lm.training import execute, execution
from lm.training.loop import TrainingState

BUDGETS = (1e10,)
TIMED = {  # what is timed: where its function stands, and under which name
    "splits": (execution, "evaluate"),
    "curve's scores": (execution, "sampled_loss"),
    "samples": (execution, "generate"),
    "weights for them": (TrainingState, "catch_up"),
}


def main() -> None:
    """Print a row per recipe, in seconds."""
    budgets = [float(each) for each in sys.argv[1:]] or BUDGETS
    seconds: dict[str, float] = defaultdict(float)
    for name, (place, function) in TIMED.items():
        setattr(place, function, _timed(getattr(place, function), seconds, name))
    corpus = load(DataConfig(dataset="tiny_shakespeare"))
    columns = ["", "training", *TIMED, "of them together, for a second of training"]
    print("| " + " | ".join(columns) + " |\n|---" + "|--:" * (len(columns) - 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LM_CACHE"] = f"{folder}/programs"
        for budget, architecture in itertools.product(budgets, ARCHITECTURES):
            config = recipe(corpus, architecture, budget)
            execute(prepare(config, RunStore(folder), corpus=corpus), corpus=corpus)
            seconds.clear()
            run = execute(prepare(config, RunStore(folder), corpus=corpus), corpus=corpus)
            training = run.status.seconds
            figures = [
                training,
                *(seconds[name] for name in TIMED),
                sum(seconds.values()) / training,
            ]
            cells = " | ".join(f"{figure:.2f}" for figure in figures)
            print(f"| {architecture}, {budget:.0e} | {cells} |", flush=True)


def _timed(
    function: Callable[..., Any], seconds: dict[str, float], name: str
) -> Callable[..., Any]:
    """`function`, its seconds added under `name`; those of an iterator until it is used up."""

    def timed(*arguments: Any, **settings: Any) -> Any:
        started_at = time.perf_counter()
        result = function(*arguments, **settings)
        if isinstance(result, Iterator):
            result = list(result)
        seconds[name] += time.perf_counter() - started_at
        return result

    return timed


if __name__ == "__main__":
    main()
