"""A worker: it trains runs in a process of its own, one after another."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from lm.base.machine import use_one_blas_thread
from lm.datasets import Corpus, DatasetError, load
from lm.datasets.tokenizers import UnknownTokenError
from lm.runs import Run, RunError, read_run
from lm.runs.config import RunConfig
from lm.training import execute

EXPECTED = (RunError, DatasetError, ArithmeticError)  # errors whose message is a sentence


@dataclass(frozen=True)
class Job:
    """A run to be trained."""

    path: str  # of its folder
    until_step: int | None
    requested_at: float


def work(jobs: Connection) -> None:
    """Train the runs that come as `Job`s, one after another, until None comes.

    After each, the connection gets None or, if it could not be trained, one sentence. On SIGTERM,
    and when the process that started this one ends, the run at hand writes a checkpoint.
    """
    use_one_blas_thread()
    farewell: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: farewell.append("It was asked to end (SIGTERM)."))
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch_parent() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        farewell.append("The program that started it has ended.")

    threading.Thread(target=watch_parent, daemon=True).start()
    corpora = _Corpora()
    with contextlib.suppress(EOFError, OSError):  # the program has ended
        while not farewell and (job := jobs.recv()) is not None:
            jobs.send(_train(job, corpora, lambda: farewell[0] if farewell else False))


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
    from lm.training.compiled.steps import make_ready

    use_one_blas_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ValueError):  # there is none; the run itself will say so
        make_ready(RunConfig.model_validate_json(config), vocab_size, n_threads)


def in_a_sentence(error: Exception) -> str:
    """Why a training ended, from the exception that ended it."""
    return str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
