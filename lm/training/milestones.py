"""The steps of a run after which it is scored on a sample of validation, or writes a text."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.runs.plan import Plan
from lm.training.loop import record_interval

EVALUATION_SHARE = 0.05  # of training's FLOPs, for the sampled validation loss
MOST_EVALUATIONS = 30
LEAST_EVALUATION_TOKENS, MOST_EVALUATION_TOKENS = 1_024, 16_384
SAMPLES = 6


def evaluation_schedule(
    config: RunConfig, plan: Plan, vocab_size: int, n_valid_tokens: int
) -> tuple[frozenset[int], int]:
    """The steps after which the validation sample is scored, and how many tokens it has.

    They follow from the config alone, so that a resumed run scores at the same steps, and lie
    closer together at first, where the loss falls fast. All of them together cost at most
    EVALUATION_SHARE of training's FLOPs; where not one can be afforded there is none.
    """
    length = config.model.context_length
    row = step_flops(config.model, vocab_size, batch_size=1, sequence_length=length)
    flops_per_token = 2 * row.forward / length  # rows overlap: a token is read at most twice
    affordable = EVALUATION_SHARE * plan.flops.total / flops_per_token
    n = int(min(MOST_EVALUATIONS, affordable // min(LEAST_EVALUATION_TOKENS, n_valid_tokens)))
    if n == 0:
        return frozenset(), 0
    n_tokens = int(min(MOST_EVALUATION_TOKENS, n_valid_tokens, affordable / n))
    shares = [0.01 + 0.99 * (i / (n - 1)) ** 1.5 for i in range(n)] if n > 1 else [1.0]
    return _record_steps(plan, shares), n_tokens


def sample_schedule(plan: Plan) -> frozenset[int]:
    """The steps after which a sample is written: the last, a third of the way there, a ninth, …"""
    return _record_steps(plan, (3.0**-i for i in range(SAMPLES)))


def _record_steps(plan: Plan, shares: Iterable[float]) -> frozenset[int]:
    """For each share of the run, the first step at or after it that has a record."""
    every = record_interval(plan.n_steps)
    steps = (math.ceil(share * plan.n_steps / every) * every for share in shares)
    return frozenset(min(plan.n_steps, step) for step in steps)
