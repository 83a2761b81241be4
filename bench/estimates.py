"""How long runs were said to take, beside how long they took.

    python -m bench.estimates

Trains a run of each architecture at several budgets by the default recipe, one after another, on
the Python reference, which needs no file; takes about two minutes. Quote it from an idle machine.
"""

import itertools
import os
import tempfile
import time

from bench.recipes import recipe
from lm.architectures import ARCHITECTURES
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import RunStore, forecast
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.training import execute

BUDGETS = (3e9, 1e10, 3e10, 1e11)


def main() -> None:
    """Print a row per run, in seconds: what is foretold on a machine that has trained nothing, what
    is foretold once the runs above it are known, and what it took, scoring included.
    """
    corpus = load(DataConfig(dataset="python_reference"))
    print(f"{'':<24} {'at first':>9} {'with runs':>9} {'took':>9}  took / said")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LM_CACHE"] = f"{folder}/programs"
        store = RunStore(folder)
        for budget, architecture in itertools.product(BUDGETS, ARCHITECTURES):
            vocab_size = corpus.tokenizer.vocab_size
            config = recipe(corpus, architecture, budget)
            steps = plan(config, vocab_size, corpus.train.n_tokens)
            at_first, with_runs = (
                forecast.whole_seconds(config, steps, vocab_size, corpus.n_scored_tokens, history)
                for history in ([], store.list())
            )
            started_at = time.perf_counter()
            execute(prepare(config, store, corpus=corpus))
            took = time.perf_counter() - started_at
            print(
                f"{architecture:<14} {budget:<9.0e} {at_first:9.1f} {with_runs:9.1f} {took:9.1f}"
                f"  {took / with_runs:.2f}"
            )


if __name__ == "__main__":
    main()
