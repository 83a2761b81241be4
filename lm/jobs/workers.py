"""The processes that train, as the launcher has them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from lm.jobs.worker import Job, compile_ahead, work

REST_SECONDS = 5.0  # for which a worker waits for another run
KILL_SECONDS = 5.0  # after SIGTERM
SECONDS_BETWEEN_LOOKS = 0.02


class Workers:
    """Gives jobs to processes, and reports what becomes of them.

    A worker that has trained a run whose steps were compiled takes the next such run, if one comes
    soon: it has its program, its text and XLA at hand. Any other run gets a process of its own,
    since those whose steps are divided among forked processes must not follow one that has started
    XLA. A worker that dies takes the run with it that it is at, and no other.
    """

    def __init__(
        self, context: ForkServerContext | SpawnContext, report: Callable[..., None]
    ) -> None:
        """`report` takes the path of a run, the exit code of its worker, and an error or None; or,
        when a program has been made ahead, `compiled=True`.
        """
        self._context, self._report = context, report
        self._processes: dict[Connection, BaseProcess] = {}
        self._busy: dict[Connection, Job] = {}
        self._compilers: list[BaseProcess] = []
        self._idle: list[Connection] = []
        self._lock = threading.Lock()  # of the latter

    def train(self, job: Job, *, again: bool) -> None:
        """Give a job to a worker: with `again` it may have had another, and may have more."""
        if again and self._goes_on(job):
            return
        here, there = self._context.Pipe()
        worker = self._context.Process(target=work, args=(there,))
        worker.start()
        there.close()
        self._processes[here], self._busy[here] = worker, job
        with contextlib.suppress(OSError):  # it has just died, which is about to be noticed
            here.send(job)
        threading.Thread(target=self._listen, args=(worker, here, again), daemon=True).start()

    def insist(self, path: str) -> None:
        """See to it that the worker at a run, which was asked to leave off, ends.

        If it has not done so when its run's grace is over it gets SIGTERM, and then SIGKILL, which
        nothing withstands.
        """
        for here, job in list(self._busy.items()):
            if job.path == path:
                worker = self._processes[here]
                if os.name == "posix":  # elsewhere SIGTERM ends a process as SIGKILL does
                    self._later(job.grace, here, job, worker.terminate)
                self._later(job.grace + KILL_SECONDS, here, job, worker.kill)

    def _later(self, seconds: float, here: Connection, job: Job, end: Callable[[], None]) -> None:
        def end_it() -> None:
            if self._busy.get(here) is job:
                end()

        timer = threading.Timer(seconds, end_it)
        timer.daemon = True
        timer.start()

    def compile_ahead(self, job: dict[str, Any]) -> None:
        """Have a process make the program of a run that does not exist yet."""
        compiler = self._context.Process(target=compile_ahead, kwargs=job)

        def wait() -> None:
            compiler.join()
            self._report(compiled=True)

        compiler.start()
        self._compilers.append(compiler)
        threading.Thread(target=wait, daemon=True).start()

    def end(self) -> None:
        """Let every worker write a checkpoint and end; kill those that do not."""
        for compiler in self._compilers:
            compiler.terminate()
        if os.name != "posix":
            return  # workers notice for themselves that this process has ended
        for worker in list(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid or 0, signal.SIGHUP)
        grace = max((job.grace for job in list(self._busy.values())), default=0.0)
        until = time.monotonic() + grace
        while self._busy and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        for worker in list(self._processes.values()):
            worker.kill()

    def _goes_on(self, job: Job) -> bool:
        """Whether a worker that waits has taken it."""
        with self._lock:
            here = self._idle.pop() if self._idle else None
        if here is None:
            return False
        self._busy[here] = job
        try:
            here.send(job)
        except OSError:  # it has just died, as who listens to it may have noticed
            return self._busy.pop(here, None) is None
        return True

    def _listen(self, worker: BaseProcess, here: Connection, again: bool) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                error = here.recv()
                job = self._busy.pop(here)
                if again:
                    self._let_rest(here)
                self._report(path=job.path, exit_code=0, error=error)
                if not again:
                    here.send(None)
        worker.join()
        del self._processes[here]
        with self._lock, contextlib.suppress(ValueError):
            self._idle.remove(here)
        job = self._busy.pop(here, None)
        if job is not None and worker.exitcode == 0:  # it had ended before it was given that
            self.train(job, again=again)
        elif job is not None:
            self._report(path=job.path, exit_code=worker.exitcode, error=None)

    def _let_rest(self, here: Connection) -> None:
        with self._lock:
            self._idle.append(here)
        timer = threading.Timer(REST_SECONDS, self._retire, (here,))
        timer.daemon = True
        timer.start()

    def _retire(self, here: Connection) -> None:
        """Let a worker end that nobody needs."""
        with self._lock, contextlib.suppress(ValueError, OSError):
            self._idle.remove(here)
            here.send(None)
