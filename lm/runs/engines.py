"""What takes a run's steps: a program compiled for them, or PyTorch operator by operator.

Small steps gain most from being compiled: PyTorch spends their time between operators.
docs/performance.md has the measurements. No torch.
"""

from __future__ import annotations

from importlib.util import find_spec

from lm.base.settings import ConfigError
from lm.runs.config import RunConfig
from lm.runs.status import Engine

LEAST_STEPS = 400  # which make up for the seconds that compiling takes, the first time
MOST_TOKENS = 8_191  # of a vocabulary; from then on the loss has kernels of its own


def choose(config: RunConfig, vocab_size: int, n_steps: int, threads: int) -> Engine:
    """The engine of a run. Raises `ConfigError` where it cannot be the one that is asked for."""
    asked = config.training.engine
    why_not = not_compiled(config, vocab_size, threads)
    if asked == "compiled" and why_not:
        raise ConfigError(f"training.engine=compiled is not possible: {why_not}")
    if asked == "eager" or why_not:
        return "eager"
    return "compiled" if asked == "compiled" or n_steps >= LEAST_STEPS else "eager"


def not_compiled(config: RunConfig, vocab_size: int, threads: int) -> str | None:
    """Why the steps of a run cannot be compiled, in a sentence; None if they can."""
    if not jax_is_here():
        return "jax is not installed. Install it with: pip install jax"
    if threads > 1:
        return f"it takes one thread. The run has {threads}."
    if config.training.device not in ("auto", "cpu"):
        return f"it computes on the processor. The run is for {config.training.device}."
    if config.training.precision != "float32":
        return f"it computes in float32. The run has precision={config.training.precision}."
    if vocab_size > MOST_TOKENS:
        return f"it is for vocabularies of at most {MOST_TOKENS:,}. This one has {vocab_size:,}."
    if getattr(config.model, "output", "softmax") == "two_level":
        return "a two-level output is not compiled."
    return None


def jax_is_here() -> bool:
    """Whether jax, which compiles steps, can be imported."""
    return find_spec("jax") is not None
