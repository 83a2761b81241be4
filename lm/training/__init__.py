"""Training a run: step by step, scored, sampled and checkpointed on the way."""

from __future__ import annotations

from collections.abc import Callable

from lm.base.records import StepRecord
from lm.datasets import Corpus
from lm.runs import Run


def execute(
    run: Run,
    *,
    until_step: int | None = None,
    on_record: Callable[[StepRecord], None] | None = None,
    should_pause: Callable[[], bool | str] | None = None,
    requested_at: float | None = None,
    corpus: Corpus | None = None,
) -> Run:
    """Train from where the folder is to the end, and return the run as it then is.

    It ends early, checkpointed and resumable, after `until_step`; when `should_pause` says so,
    with a reason if it gives one; or when `Run.request` is called by anybody. Requests from
    before `requested_at` (by default: now) are of the past and do not count. A complete run is
    returned as it is. `corpus` is the run's, by its own tokenizer, where it need not be loaded.

    Raises `RunError` (busy, not resumable, damaged, disk full), `DatasetError`, or
    `ArithmeticError` for a training that diverged; the run's status then says so too.
    """
    from lm.training.execution import execute_run  # torch: more than a second

    return execute_run(run, until_step, on_record, should_pause, requested_at, corpus)
