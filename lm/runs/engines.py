"""What takes a run's steps: a program compiled for them, or PyTorch operator by operator.

Small steps gain most from being compiled: PyTorch spends their time between operators.
docs/performance.md has the measurements. No torch.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec

from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.runs.config import RunConfig
from lm.runs.plan import Plan
from lm.runs.status import Engine

LEAST_STEPS = 400  # which make up for the seconds that compiling takes, the first time
MOST_TOKENS = 8_191  # of a vocabulary; from then on the loss has kernels of its own

# FLOPs of a step. On Linux each of PyTorch's threads is a process of its own
# (lm.training.engines.divided) and a second one pays from about 3e9 on. Elsewhere threads of one
# process wait for each other at every operation, and pay later. Compiled steps share a pool in one
# process: below, its second thread would spin while it waits. docs/performance.md has the
# measurements.
FLOPS_PER_STEP_AND_THREAD = 1.5e9 if sys.platform == "linux" else 4e9
MOST_THREADS = 4  # what a small model can use, and other runs want some
SHARED_STEP = 2e8
MOST_COMPILED_THREADS = 2


@dataclass(frozen=True)
class Choice:
    """What a run computes with."""

    engine: Engine
    threads: int


def choose(config: RunConfig, vocab_size: int, steps: Plan) -> Choice:
    """Engine and threads of a run, as its settings ask for them or as suits its steps.

    Raises `ConfigError` where the engine cannot be the one that is asked for.
    """
    given, flops = config.training.threads, steps.step.total
    eager = Choice("eager", given or eager_threads(flops))
    compiled = Choice("compiled", given or compiled_threads(flops))
    asked = config.training.engine
    why_not = not_compiled(config, vocab_size)
    if asked == "compiled" and why_not:
        raise ConfigError(f"training.engine=compiled is not possible: {why_not}")
    if asked == "eager" or why_not:
        return eager
    divided = min(eager.threads, eager_threads(flops)) > 1
    worth_it = steps.n_steps >= LEAST_STEPS and not divided
    return compiled if asked == "compiled" or worth_it else eager


def not_compiled(config: RunConfig, vocab_size: int) -> str | None:
    """Why the steps of a run cannot be compiled, in a sentence; None if they can."""
    training = config.training
    if not jax_is_here():
        return "jax is not installed. Install it with: pip install jax"
    if (training.threads or 1) > MOST_COMPILED_THREADS:
        most = MOST_COMPILED_THREADS
        return f"it takes at most {most} threads. The run has {training.threads:,}."
    if training.device not in ("auto", "cpu"):
        return f"it computes on the processor. The run is for {training.device}."
    if training.precision != "float32":
        return f"it computes in float32. The run has precision={training.precision}."
    if vocab_size > MOST_TOKENS:
        return f"it is for vocabularies of at most {MOST_TOKENS:,}. This one has {vocab_size:,}."
    if config.model.two_level:
        return "a two-level output is not compiled."
    return None


def jax_is_here() -> bool:
    """Whether jax, which compiles steps, can be imported."""
    return find_spec("jax") is not None


def eager_threads(flops_per_step: float) -> int:
    """Threads of PyTorch's on this machine: one for a small step, more where they pay."""
    useful = int(min(flops_per_step / FLOPS_PER_STEP_AND_THREAD, MOST_THREADS))
    return max(1, min(useful, n_cores()))


def compiled_threads(flops_per_step: float) -> int:
    """Threads of XLA's on this machine: one, but for steps that have work for two."""
    return 1 if flops_per_step < SHARED_STEP else min(MOST_COMPILED_THREADS, n_cores())
