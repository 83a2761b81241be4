"""What it saves to compile a run's steps, what that takes the first time, and what it changes.

    LM_DATASETS=… python -m bench.engines [BUDGET …]

Trains recipes for Tiny Shakespeare by PyTorch's operators and by a compiled program, one after the
other, on one thread; takes four minutes for 1e10 and 1e11. Quote it from an idle machine.
"""

import itertools
import os
import sys
import tempfile
import time

from bench.recipes import recipe
from lm.architectures import ARCHITECTURES
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import Run, RunStore
from lm.runs.prepare import prepare
from lm.runs.presets import DEFAULT
from lm.runs.presets.study import STUDY
from lm.training import execute

BUDGETS = (1e10, 1e11)
ENGINES = ("eager", "compiled", "compiled")  # the first of the latter makes the program


def main() -> None:
    """Print a row per recipe: milliseconds a step, seconds until it is scored, validation loss."""
    budgets = [float(each) for each in sys.argv[1:]] or BUDGETS
    corpus = load(DataConfig(dataset="tiny_shakespeare"))
    print(
        "| | FLOPs a step | eager | compiled | times as fast | scored after, eager | compiled, "
        "first | again | validation, eager | compiled |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LM_CACHE"] = f"{folder}/programs"
        every = itertools.product((DEFAULT, STUDY.name), budgets, ARCHITECTURES)
        for preset, budget, architecture in every:
            config = recipe(corpus, architecture, budget, preset)
            runs: list[Run] = []
            scored: list[float] = []
            for engine in ENGINES:
                training = config.training.replace(engine=engine, threads=1)
                run = prepare(config.replace(training=training), RunStore(folder), corpus=corpus)
                started_at = time.perf_counter()
                runs.append(execute(run, corpus=corpus))
                scored.append(time.perf_counter() - started_at)
            eager, _, compiled = (1000 * run.status.seconds / run.status.step for run in runs)
            losses = [run.status.valid.loss for run in runs if run.status.valid]
            flops = runs[0].facts.flops_per_step.total
            print(
                f"| {preset} {architecture}, {budget:.0e} | {flops:.1e} "
                f"| {eager:.2f} ms | {compiled:.2f} ms | {eager / compiled:.1f} "
                f"| {scored[0]:.1f} s | {scored[1]:.1f} s | {scored[2]:.1f} s "
                f"| {losses[0]:.4f} | {losses[2]:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
