"""How fast each engine trains the recipes, and how well the program predicts their time.

    LM_DATASETS=… python -m bench.engines [BUDGET …]

Trains recipes for Tiny Shakespeare on one thread: by PyTorch's operators, by a compiled program
that has to be made first, and by the same program again. Takes four minutes for 1e10 and 1e11.
Quote it from an idle machine.
"""

import os
import sys
import tempfile
import time

from lm.architectures import ARCHITECTURES
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.jobs.sweeps import Sweep, expand
from lm.runs import Run, RunStore, forecast
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.runs.presets import DEFAULT
from lm.runs.presets.study import STUDY
from lm.training import execute

BUDGETS = (1e10, 1e11)
ENGINES = ("eager", "compiled", "compiled")  # the first of the latter makes the program
COLUMNS = (
    *("recipe", "FLOPs a step", "eager", "compiled", "times as fast", "scored after, eager"),
    *("compiled, first", "again", "predicted", "validation, eager", "compiled"),
)


def main() -> None:
    """Print a row per recipe: milliseconds a step, seconds until it is scored, validation loss."""
    corpus = load(DataConfig(dataset="tiny_shakespeare"))
    budgets = [float(each) for each in sys.argv[1:]] or list(BUDGETS)
    axes = {"preset": [DEFAULT, STUDY.name], "budget": budgets, "architecture": list(ARCHITECTURES)}
    print("| " + " | ".join(COLUMNS) + " |\n|---" + "|--:" * (len(COLUMNS) - 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LM_CACHE"] = f"{folder}/programs"
        store = RunStore(folder)
        for recipe in expand(Sweep.from_dict({"name": "engines", "axes": axes})):
            runs: list[Run] = []
            scored: list[float] = []
            predicted = 0.0
            for engine in ENGINES:
                config = recipe.replace(training=recipe.training.replace(engine=engine))
                vocab_size = corpus.tokenizer.vocab_size
                steps = plan(config, vocab_size, corpus.train.n_tokens)
                predicted = forecast.whole_seconds(
                    config, steps, vocab_size, corpus.n_scored_tokens, store.list()
                )
                run = prepare(config, store, corpus=corpus)
                started_at = time.perf_counter()
                runs.append(execute(run, corpus=corpus))
                scored.append(time.perf_counter() - started_at)
            eager, _, compiled = (1000 * run.status.seconds / run.status.step for run in runs)
            losses = [run.status.valid.loss for run in runs if run.status.valid]
            print(
                f"| {recipe.preset} {recipe.model.architecture}, {recipe.training.budget:.0e} "
                f"| {runs[0].facts.flops_per_step.total:.1e} "
                f"| {eager:.2f} ms | {compiled:.2f} ms | {eager / compiled:.1f} "
                f"| {scored[0]:.1f} s | {scored[1]:.1f} s | {scored[2]:.1f} s | {predicted:.1f} s "
                f"| {losses[0]:.4f} | {losses[2]:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
