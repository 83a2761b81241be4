"""A worker: it trains one run in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from lm.base.machine import use_one_blas_thread
from lm.datasets import DatasetError
from lm.runs import RunError, read_run
from lm.runs.config import RunConfig
from lm.training import execute

EXPECTED = (RunError, DatasetError, ArithmeticError)  # errors whose message is a sentence


def work(path: str, until_step: int | None, requested_at: float, errors: Connection) -> None:
    """Train the run in folder `path`; if it cannot be trained, send one sentence to `errors`.

    It writes a checkpoint and ends on SIGTERM, and when the process that started it ends.
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
    try:
        execute(
            read_run(Path(path)),
            until_step=until_step,
            should_pause=lambda: farewell[0] if farewell else False,
            requested_at=requested_at,
        )
    except Exception as error:
        errors.send(in_a_sentence(error))
        if not isinstance(error, EXPECTED):
            raise


def compile_ahead(config: str, vocab_size: int) -> None:
    """Have on disk the program of a run that does not exist yet. `config`: its JSON."""
    from lm.training.compiled.steps import make_ready

    use_one_blas_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ValueError):  # there is none; the run itself will say so
        make_ready(RunConfig.model_validate_json(config), vocab_size)


def in_a_sentence(error: Exception) -> str:
    """Why a training ended, from the exception that ended it."""
    return str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
