"""Small language models under a compute budget.

From a notebook: `resolve` a config, `prepare` a run in a `RunStore`, `execute` it, `load_model`
and `generate`. Importing `lm` costs nothing; what needs torch imports it when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig
    from lm.runs import Run, RunStore
    from lm.runs.config import RunConfig
    from lm.runs.prepare import prepare
    from lm.runs.recipes import resolve
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
    "execute": "lm.training",
    "generate": "lm.writing.generation",
    "load_model": "lm.training.checkpoint",
    "prepare": "lm.runs.prepare",
    "prompt_ids": "lm.writing.generation",
    "resolve": "lm.runs.recipes",
}

__all__ = [
    "DataConfig",
    "Run",
    "RunConfig",
    "RunStore",
    "Sampling",
    "execute",
    "generate",
    "load_model",
    "prepare",
    "prompt_ids",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
