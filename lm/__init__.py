"""Small language models under a compute budget.

From a notebook, one line each: `train` a model, ask a `Run` for its `metrics()`, put runs into a
`table` or a `chart`, let one write a `sample`; docs/notebook.md shows it. Importing `lm` costs
nothing; what needs torch imports it when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig
    from lm.notebook import chart, evaluate, resolve, sample, table, train
    from lm.runs import Run, RunStore, read_run
    from lm.runs.config import RunConfig
    from lm.runs.prepare import prepare
    from lm.training import execute
    from lm.training.checkpoint import load_model
    from lm.writing.generation import generate, prompt_ids
    from lm.writing.sampling import Sampling

# Threads that spin while they wait take the core from those they wait for: 2 threads on 2 busy
# cores needed 790 ms for a step of 8 ms. OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_HOMES = {
    "DataConfig": "lm.datasets.config",
    "Run": "lm.runs",
    "RunConfig": "lm.runs.config",
    "RunStore": "lm.runs",
    "Sampling": "lm.writing.sampling",
    "chart": "lm.notebook",
    "evaluate": "lm.notebook",
    "execute": "lm.training",
    "generate": "lm.writing.generation",
    "load_model": "lm.training.checkpoint",
    "prepare": "lm.runs.prepare",
    "prompt_ids": "lm.writing.generation",
    "read_run": "lm.runs",
    "resolve": "lm.notebook",
    "sample": "lm.notebook",
    "table": "lm.notebook",
    "train": "lm.notebook",
}

__all__ = [
    "DataConfig",
    "Run",
    "RunConfig",
    "RunStore",
    "Sampling",
    "chart",
    "evaluate",
    "execute",
    "generate",
    "load_model",
    "prepare",
    "prompt_ids",
    "read_run",
    "resolve",
    "sample",
    "table",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
