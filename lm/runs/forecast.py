"""What a run will take on this machine: seconds of training, and bytes on the disk.

Time comes from a rough model of a processor. Where runs have been trained on this machine, it is
corrected by how much longer than that they took.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import median

from lm.architectures import ArchitectureConfig, modules, n_params
from lm.base.settings import ConfigError
from lm.runs import Run, engines, programs
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.runs.plan import Plan
from lm.runs.status import Engine

# On cores of a server, beside a page that is watched: a step costs its matrix products at this
# rate, and besides about as much time for every part of the model, however small, for every number
# that is updated, and for every token that a part computes.
FLOPS_PER_SECOND = {"eager": 7.5e10, "compiled": 7.8e10}  # of a thread
SECONDS_PER_STEP = {"eager": 2.5e-4, "compiled": 2e-5}
SECONDS_PER_MODULE = {"eager": 1.2e-4, "compiled": 0.0}  # of going from Python to an operator
SECONDS_PER_PARAMETER = {"eager": 1e-9, "compiled": 1.45e-9}
SECONDS_PER_TOKEN_AND_MODULE = {"eager": 4e-7, "compiled": 2e-7}
SECONDS_FOR_TABLES = {"eager": 5e-4, "compiled": 7e-5}
SECONDS_FOR_TABLES_PER_TOKEN = {"eager": 0.0, "compiled": 8.4e-7}
FORWARD_SHARE = 1 / 3  # of a step
SECONDS_TO_COMPILE, SECONDS_TO_COMPILE_A_MODULE = 0.6, 0.12  # once for each shape of a step
SECONDS_AROUND_TRAINING = 0.75  # start, texts along the way, checkpoints; scoring comes on top
NEIGHBOURS = 5
LEAST_SECONDS = 0.5  # of training: shorter runs say little but how long a start takes
BYTES_PER_ROW, ROWS = 137, 550  # of metrics.jsonl
BYTES_BESIDE = 16_500  # of samples, settings and results
BYTES_PER_TOKEN_KIND = 15  # of tokenizer.json: an entry of a vocabulary of words


def seconds(config: RunConfig, steps: Plan, vocab_size: int, history: Sequence[Run]) -> float:
    """Predicted training time of a plan. `history`: runs of this machine, any state."""
    flops, engine = steps.step.total, _computed_by(config, steps, vocab_size).engine
    a_step = _modelled(config, flops, engine)
    return steps.n_steps * a_step * _correction(config, flops, engine, history)


def whole_seconds(
    config: RunConfig, steps: Plan, vocab_size: int, n_scored_tokens: int, history: Sequence[Run]
) -> float:
    """Predicted time from the start of a run to its end, the scoring of its splits included."""
    row = step_flops(
        config.model, vocab_size, batch_size=1, sequence_length=config.model.context_length
    )
    overlap = 1 if config.model.longest_row is None else 2  # see `lm.training.evaluation`
    n_tokens, n_modules = overlap * n_scored_tokens, len(modules(config.model, vocab_size))
    products = n_tokens * row.forward / config.model.context_length / FLOPS_PER_SECOND["eager"]
    around_products = n_tokens * n_modules * SECONDS_PER_TOKEN_AND_MODULE["eager"] * FORWARD_SHARE
    by = _computed_by(config, steps, vocab_size)
    correction = _correction(config, steps.step.total, by.engine, history)
    scoring = (products + around_products) * correction
    around = SECONDS_AROUND_TRAINING
    if by.engine == "compiled" and not programs.has(programs.name(config, vocab_size, by.threads)):
        around += SECONDS_TO_COMPILE + n_modules * SECONDS_TO_COMPILE_A_MODULE
    return around + seconds(config, steps, vocab_size, history) + scoring


def measured(history: Sequence[Run]) -> bool:
    """Whether predictions rest on runs of this machine, and not on the assumption alone."""
    return any(_tells(run) for run in history)


def n_bytes(config: RunConfig, steps: Plan, vocab_size: int, *, weights: bool = True) -> int:
    """Predicted size of a complete run's folder, with its weights or without."""
    of_weights = 4 * n_params(config.model, vocab_size) if weights else 0
    rows = BYTES_PER_ROW * min(steps.n_steps, ROWS)
    return of_weights + rows + BYTES_BESIDE + BYTES_PER_TOKEN_KIND * vocab_size


def _computed_by(config: RunConfig, steps: Plan, vocab_size: int) -> engines.Choice:
    try:
        return engines.choose(config, vocab_size, steps)
    except ConfigError:  # whoever starts it is told
        return engines.Choice("eager", 1)


def _correction(
    config: RunConfig, flops_per_step: float, engine: Engine, history: Sequence[Run]
) -> float:
    """Time over modelled time: the median of the runs most like this one; 1 without any."""
    ratios: list[tuple[float, float]] = []
    for run in filter(_tells, history):
        per_step = run.facts.flops_per_step.total
        unlike = abs(math.log(per_step / flops_per_step))
        unlike += run.config.model.architecture != config.model.architecture
        unlike += run.facts.engine != engine
        modelled = run.status.step * _modelled(run.config, per_step, run.facts.engine)
        ratios.append((unlike, run.status.seconds / modelled))
    ratios.sort()
    return median([ratio for _, ratio in ratios[:NEIGHBOURS]]) if ratios else 1.0


def _tells(run: Run) -> bool:
    status = run.status
    return not run.shipped and status.step > 0 and status.seconds >= LEAST_SECONDS


def _modelled(config: RunConfig, flops_per_step: float, engine: Engine) -> float:
    """Seconds of a step by the rough model."""
    training = config.training
    tokens = training.batch_size * config.sequence_length
    around = _around_products(config.model, tokens, training.table_update == "touched_rows", engine)
    n_threads = 1
    if engine == "eager":
        n_threads = training.threads or engines.eager_threads(flops_per_step)
    return around + flops_per_step / FLOPS_PER_SECOND[engine] / n_threads


@functools.lru_cache(maxsize=4096)
def _around_products(
    model: ArchitectureConfig, tokens: int, few_rows: bool, engine: Engine
) -> float:
    parts = modules(model, vocab_size=2)
    updated = sum(part.n_params for part in parts if not (few_rows and part.ngrams))
    per_module = SECONDS_PER_MODULE[engine] + tokens * SECONDS_PER_TOKEN_AND_MODULE[engine]
    tables = SECONDS_FOR_TABLES[engine] + tokens * SECONDS_FOR_TABLES_PER_TOKEN[engine]
    return (
        SECONDS_PER_STEP[engine]
        + len(parts) * per_module
        + updated * SECONDS_PER_PARAMETER[engine]
        + tables * any(part.ngrams for part in parts)
    )


def in_words(seconds: float) -> str:
    """A duration, no more exact than it deserves: "20 s", "3 min", "1.5 h"."""
    if seconds < 1:
        return "< 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
