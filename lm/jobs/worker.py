"""A worker: it trains runs in a process of its own, one after another."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from lm.base.machine import n_native_threads, use_one_blas_thread
from lm.datasets import Corpus, DatasetError, load
from lm.datasets.tokenizers import UnknownTokenError
from lm.runs import Run, RunError, read_run
from lm.runs.config import RunConfig
from lm.training import execute

SECONDS_BETWEEN_LOOKS = 0.25
# To import, to read a text, to take a first step on a machine that has much else to do.
FIRST_PROGRESS_SECONDS = 300.0
TIMES_THE_LONGEST = 20.0  # that a run went on without a sign, it may do so again
MOST_SECONDS_TO_COMPILE = 600
PARENT_ENDED = "The program that started it has ended."
EXPECTED = (RunError, DatasetError, ArithmeticError)  # errors whose message is a sentence


@dataclass(frozen=True)
class Job:
    """A run to be trained."""

    path: str  # of its folder
    until_step: int | None
    requested_at: float
    patience: float  # seconds without progress, after which the worker is taken to hang
    grace: float  # seconds to follow a request or to write a last checkpoint in


class _Watch:
    """Ends this process when a training makes no progress; says when one is to leave off.

    Where there are the timers of POSIX, the system itself ends it, whatever it hangs in, and where
    it hung is printed.
    """

    def __init__(self) -> None:
        self.farewell = ""  # why the run at hand is to be left, in a sentence
        self._patience = self._set_at = 0.0
        self._seen_at: float | None = None  # when there was progress last
        parent = multiprocessing.parent_process()
        assert parent is not None
        self._parent = parent
        if hasattr(signal, "setitimer"):
            faulthandler.register(signal.SIGALRM, chain=True)  # and then the process ends

    def begin(self, patience: float) -> None:
        """Expect progress from now on, at first within FIRST_PROGRESS_SECONDS at least."""
        self._patience, self._set_at, self._seen_at = patience, time.monotonic(), None
        self._set(max(patience, FIRST_PROGRESS_SECONDS))

    def progress(self) -> str | bool:
        """Note that there is progress; the reason to pause, or False."""
        now, first = time.monotonic(), self._seen_at is None
        if self._seen_at is not None:
            self._patience = max(self._patience, TIMES_THE_LONGEST * (now - self._seen_at))
        self._seen_at = now
        if first or now - self._set_at >= SECONDS_BETWEEN_LOOKS:
            self._set_at = now
            self._set(self._patience)
            if not self._parent.is_alive():
                self.farewell = PARENT_ENDED
        return self.farewell or False

    def end(self) -> None:
        """Expect nothing more."""
        self._set(0)

    def _set(self, seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)


def work(jobs: Connection) -> None:
    """Train the runs that come as `Job`s, one after another, until None comes.

    After each, the connection gets None or, if it could not be trained, one sentence. On SIGTERM,
    and when the process that started this one ends, the run at hand writes a checkpoint.
    """
    use_one_blas_thread()
    watch = _Watch()

    def leave(reason: str) -> Callable[..., None]:
        def handler(*_: object) -> None:
            watch.farewell = reason

        return handler

    signal.signal(signal.SIGTERM, leave("It was asked to end (SIGTERM)."))
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, leave(PARENT_ENDED))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    corpora = _Corpora()
    with contextlib.suppress(EOFError, OSError):  # the program has ended
        while not watch.farewell and (job := jobs.recv()) is not None:
            watch.begin(job.patience)
            error = _train(job, corpora, watch.progress)
            watch.end()
            jobs.send(error)


def _train(job: Job, corpora: _Corpora, should_pause: Callable[[], str | bool]) -> str | None:
    """Why the run could not be trained, in a sentence."""
    try:
        run = read_run(Path(job.path))
        execute(
            run,
            until_step=job.until_step,
            should_pause=should_pause,
            requested_at=job.requested_at,
            corpus=corpora.of(run),
        )
    except Exception as error:
        if not isinstance(error, EXPECTED):
            traceback.print_exc()
        return in_a_sentence(error)
    return None


class _Corpora:
    """The corpus of the last run, which the next one often shares."""

    def __init__(self) -> None:
        self._key: object = None
        self._corpus: Corpus | None = None

    def of(self, run: Run) -> Corpus | None:
        """The corpus of a run; None if it cannot be had, which training the run will explain."""
        with contextlib.suppress(RunError, DatasetError, UnknownTokenError):
            tokenizer = run.tokenizer()
            key = run.config.data, run.facts.sha256, tokenizer.to_dict()
            if key != self._key:
                self._key, self._corpus = None, load(run.config.data, tokenizer)
                self._key = key
            return self._corpus
        return None


def compile_ahead(config: str, vocab_size: int, n_threads: int) -> None:
    """Have on disk the program of a run that does not exist yet. `config`: its JSON."""
    from lm.training.engines.compiled.engine import make_ready

    use_one_blas_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.alarm(MOST_SECONDS_TO_COMPILE)
    with contextlib.suppress(ValueError):  # there is none; the run itself will say so
        make_ready(RunConfig.model_validate_json(config), vocab_size, n_threads)


def exit_with_threads_of_parent() -> None:
    """End with exit status 0 if the process that forked this one has one native thread."""
    n_threads = n_native_threads(os.getppid())
    sys.exit(0 if n_threads == 1 else n_threads or 1)


def load_torch() -> None:
    """Load what a worker that is no fork loads before its first step."""
    import lm.jobs.preload  # noqa: F401


def in_a_sentence(error: Exception) -> str:
    """Why a training ended, from the exception that ended it."""
    return str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
