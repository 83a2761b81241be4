"""What the fork server loads before its first fork: torch, and all that a first step imports.

The smallest step is computed, on one thread: a worker is a fork, in which a pool of threads that
was started here would be missing.
"""

import contextlib
import importlib

from lm.architectures import ARCHITECTURES
from lm.training.execution import measured_step_flops, threads
from lm.updates.config import TrainingConfig

smallest = next(iter(ARCHITECTURES.values())).config()
one_row = {"batch_size": 1, "sequence_length": 1}
with threads(1):
    measured_step_flops(smallest, 2, TrainingConfig(steps=1), **one_row, device="cpu")

with contextlib.suppress(ImportError):  # where jax is not installed
    importlib.import_module("lm.training.engines.compiled.engine")  # which starts nothing
