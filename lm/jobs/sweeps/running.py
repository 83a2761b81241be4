"""Training the runs of a sweep, whatever ends or is lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lm.datasets import load
from lm.jobs.executors import Executor
from lm.jobs.sweeps.definition import Weights
from lm.jobs.sweeps.estimates import estimate, share_done
from lm.jobs.sweeps.expansion import Loader, find, remembered, stable_id
from lm.jobs.sweeps.keeping import Kept
from lm.runs import Run, RunError, RunStore
from lm.runs.config import RunConfig
from lm.runs.prepare import check_threads, prepare

MOST_TRIES = 3  # in a row for a run that is lost without a new checkpoint
SECONDS_BETWEEN_LOOKS = 0.25


@dataclass(frozen=True, kw_only=True)
class SweepProgress:
    """A sweep on its way."""

    n_runs: int
    n_complete: int
    n_failed: int
    training: list[Run]
    share: float  # of the predicted time, what was there at the start included
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a sweep ended: run ids in order, with the reason where a run is not complete."""

    complete: list[str]
    failed: dict[str, str]
    unfinished: dict[str, str]  # they go on when the sweep is repeated


def run_sweep(
    configs: Sequence[RunConfig],
    store: RunStore,
    executor: Executor,
    *,
    weights: Weights = "every",
    on_progress: Callable[[SweepProgress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    load: Loader = load,
    names: Mapping[RunConfig, str] | None = None,
) -> SweepResult:
    """Train what is not trained yet, and return when nothing is left to do.

    A run that fails does not stop the others; one whose process or machine is lost goes on from
    its last checkpoint; one that another process is training is waited for. When `should_stop`
    says so, everything is checkpointed and left; the same call then goes on from there.

    `weights` says whose are kept, of the runs that this call completes; those that are complete
    already keep what they have. `names` are what new runs are called, by default their ids.

    Raises `ConfigError`, with nothing begun, where a new run asks for more threads than the
    executor has to give.
    """
    sweeping = _Sweeping(configs, store, executor, weights, remembered(load), names or {})
    stopping = False
    while sweeping.open:
        if not stopping and should_stop():
            stopping = True
            sweeping.pause()
        sweeping.look(stopping)
        on_progress(sweeping.progress())
        if sweeping.open:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return sweeping.result()


class _Sweeping:
    """The state of `run_sweep`."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        store: RunStore,
        executor: Executor,
        weights: Weights,
        load: Loader,
        names: Mapping[RunConfig, str],
    ) -> None:
        self.executor = executor
        self._kept = Kept(weights, store)
        self.open: dict[str, Run] = {}
        self._complete: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._unfinished: dict[str, str] = {}
        self._tries: dict[str, tuple[int | None, int]] = {}  # checkpoint, submissions from it
        planned = estimate(configs, store, weights=weights, load=load)
        self._weights = {run.run_id: run.seconds for run in planned.runs}
        self._shares = dict.fromkeys(self._weights, 1.0)  # of it that is done
        self._expected_seconds = planned.seconds_left
        most_threads = executor.most_threads()
        for planned_run in planned.runs:
            if planned_run.state == "new":
                check_threads(planned_run.config, most_threads)  # before any has a folder
        for config in dict.fromkeys(configs):
            corpus = load(config.data)
            run_id = stable_id(config, corpus.sha256)
            try:
                run = find(store, config, corpus.sha256)
                self.open[run_id] = run or prepare(
                    config,
                    store,
                    names.get(config),
                    corpus,
                    run_id=run_id,
                    most_threads=most_threads,
                )
                self._kept.there(self.open[run_id])
            except RunError as error:
                self._failed[run_id] = str(error)
        self._done_at_start = self._done()
        self._started_at = time.monotonic()

    def pause(self) -> None:
        """Have every run that the executor has checkpoint and leave off."""
        theirs = self._with_executor()
        for run_id, run in self.open.items():
            if run_id in theirs:
                self.executor.pause(run)

    def look(self, stopping: bool) -> None:
        """See what has become of the runs, and submit what is to be trained."""
        theirs = self._with_executor()
        for run_id, run in list(self.open.items()):
            try:
                if run_id not in theirs:
                    self._settle(run_id, run.reload(), stopping)
                elif run_id in self._training:
                    self.open[run_id] = run.reload()
            except RunError as error:  # damaged, deleted, or refused by the executor
                self._close(run_id, self._failed, str(error))

    def _with_executor(self) -> set[str]:
        waiting = set(self.executor.waiting())  # first: from there a run becomes active
        self._training = set(self.executor.active())
        return waiting | self._training

    def _settle(self, run_id: str, run: Run, stopping: bool) -> None:
        """Decide about a run that the executor has not, or has no more."""
        self.open[run_id] = run
        error = self.executor.error(run)
        lost = run.state in ("created", "interrupted")
        if run.state == "complete":
            self._kept.completed(run)
            self._close(run_id, self._complete, run.run_id)
        elif run.state == "failed":
            self._close(run_id, self._failed, run.reason or "It failed.")
        elif stopping:
            where = f"It is {run.state} at step {run.status.step:,} of {run.n_steps:,}."
            begun = run.state != "created"
            self._close(run_id, self._unfinished, where if begun else "It has not begun.")
        elif run.state == "running":
            return  # another process is at it
        elif run_id not in self._tries or (lost and self._may_try_again(run)):
            self._submit(run_id, run)
        elif lost or error:
            self._close(run_id, self._failed, error or run.reason or "It did not start.")
        else:
            self._close(run_id, self._unfinished, run.reason or f"It was {run.state}.")

    def _may_try_again(self, run: Run) -> bool:
        checkpoint, tries = self._tries[run.run_id]
        return checkpoint != run.status.checkpoint_step or tries < MOST_TRIES

    def _submit(self, run_id: str, run: Run) -> None:
        checkpoint, tries = self._tries.get(run_id, (None, 0))
        same = checkpoint == run.status.checkpoint_step
        self._tries[run_id] = (run.status.checkpoint_step, tries + 1 if same else 1)
        self.executor.submit(run)

    def _close(self, run_id: str, where: dict[str, str], what: str) -> None:
        del self.open[run_id]
        where[run_id] = what
        if where is not self._unfinished:
            self._shares[run_id] = 1.0

    def _done(self) -> float:
        """Weight of what is trained."""
        for run_id, run in self.open.items():
            self._shares[run_id] = share_done(run)
        return sum(weight * self._shares[run_id] for run_id, weight in self._weights.items())

    def result(self) -> SweepResult:
        return SweepResult(
            complete=[self._complete[i] for i in self._weights if i in self._complete],
            failed=self._failed,
            unfinished=self._unfinished,
        )

    def progress(self) -> SweepProgress:
        done, total = self._done(), sum(self._weights.values())
        elapsed, since_start = time.monotonic() - self._started_at, done - self._done_at_start
        left = self._expected_seconds - elapsed
        if since_start > 0.02 * (total - self._done_at_start):
            left = elapsed * (total - done) / since_start
        return SweepProgress(
            n_runs=len(self._weights),
            n_complete=len(self._complete),
            n_failed=len(self._failed),
            training=[run for run_id, run in self.open.items() if run_id in self._training],
            share=done / total if total else 1.0,
            seconds_left=max(0.0, left),
        )
