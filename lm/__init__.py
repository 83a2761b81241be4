"""Small language models under a compute budget.

From a notebook: `resolve` a config, `prepare` a run in a `RunStore`, `execute` it, `load_model`
and `generate`. Importing `lm` costs nothing; what needs torch imports it when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lm.checkpoint import load_model
    from lm.config import DataConfig, RunConfig, Sampling
    from lm.experiment import execute, prepare
    from lm.generation import generate, prompt_ids
    from lm.recipes import resolve
    from lm.runs import Run, RunStore

# Threads that spin while they wait take the core from those they wait for: 2 threads on 2 busy
# cores needed 790 ms for a step of 8 ms. OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_HOMES = {
    "DataConfig": "lm.config",
    "Run": "lm.runs",
    "RunConfig": "lm.config",
    "RunStore": "lm.runs",
    "Sampling": "lm.config",
    "execute": "lm.experiment",
    "generate": "lm.generation",
    "load_model": "lm.checkpoint",
    "prepare": "lm.experiment",
    "prompt_ids": "lm.generation",
    "resolve": "lm.recipes",
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
