"""Training a run: step by step, with scores, samples and checkpoints on the way.

`execution` trains the run of a folder, `loop` is the training loop, `engines` take its steps,
`meter` counts their FLOPs, `evaluation` scores a split.
"""

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
    """Train a run to its end, from the checkpoint in its folder, and return it as it then is.

    A complete run is returned as it is.

    Args:
        run: A created or resumable run.
        until_step: Pause after this step.
        on_record: Told of every row that is written.
        should_pause: Asked after every step and every scored batch, and now and then while steps
            are compiled; True, or a sentence that gives the reason, pauses.
        requested_at: Requests by `Run.request` from before this time (seconds since the epoch, by
            default now) do not count.
        corpus: The run's corpus, if it is loaded already.

    A pause or a stop, which `Run.request` asks for from any process, leaves a checkpoint from
    which the run resumes. Raises `RunError` (busy, not resumable, damaged, disk full),
    `DatasetError`, or `ArithmeticError` for a training that diverged; the run's status then says
    so too.
    """
    from lm.training.execution import execute_run  # loads torch, which takes over a second

    return execute_run(run, until_step, on_record, should_pause, requested_at, corpus)
