"""`python lm/jobs/launcher.py`: starts a process for every line of JSON on its stdin.

A line is a run to train, or the config of one whose steps are to be compiled.

It does nothing else, and imports nothing heavy: the fork server beside it has loaded torch once,
and a worker is a fork of that server. It is started as a file, so that the fork server begins to
load before this process has imported any of the project. When stdin closes, the program that
wrote to it has ended; the launcher then ends too, and its workers, noticing that, write a
checkpoint and end.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import threading
from multiprocessing import connection, forkserver, process

NICENESS = 10  # of workers, too: the page that draws the curve comes first


def main() -> None:
    """Start workers until stdin closes."""
    with contextlib.suppress(AttributeError, OSError):  # not on Windows
        os.nice(NICENESS)
    reports = os.fdopen(os.dup(1), "w")  # a copy, which workers do not inherit and keep open
    os.dup2(2, 1)
    # Apple's frameworks do not survive a fork, and Windows has none
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        context.set_forkserver_preload(["lm.jobs.preload"])
        forkserver.ensure_running()  # it loads torch while this process loads the rest
    from lm.jobs.worker import compile_ahead, work

    writing = threading.Lock()

    def report(**values: object) -> None:
        with writing, contextlib.suppress(OSError):  # the reader may have ended
            reports.write(json.dumps(values) + "\n")
            reports.flush()

    def wait_for(worker: process.BaseProcess, path: str, errors: connection.Connection) -> None:
        error = None
        with contextlib.suppress(EOFError):
            error = errors.recv()
        worker.join()
        report(path=path, exit_code=worker.exitcode, error=error)

    def wait_for_loading() -> None:
        """A first fork: the fork server makes it once it has loaded."""
        first = context.Process()  # it does nothing
        first.start()
        first.join()
        report(loaded=True)

    def wait_for_program(compiler: process.BaseProcess) -> None:
        compiler.join()
        report(compiled=True)

    report(ready=True)
    if sys.platform == "linux":
        threading.Thread(target=wait_for_loading, daemon=True).start()
    else:
        report(loaded=True)  # every worker loads for itself
    for line in sys.stdin:
        job = json.loads(line)
        if "config" in job:
            compiler = context.Process(target=compile_ahead, kwargs=job)
            compiler.start()
            threading.Thread(target=wait_for_program, args=(compiler,), daemon=True).start()
            continue
        errors, sender = context.Pipe(duplex=False)
        worker = context.Process(target=work, kwargs={**job, "errors": sender})
        worker.start()
        sender.close()
        threading.Thread(target=wait_for, args=(worker, job["path"], errors), daemon=True).start()
    os._exit(0)  # without waiting for the workers: this end is their sign to checkpoint and go


if __name__ == "__main__":
    main()
