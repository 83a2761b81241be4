"""`python lm/jobs/launcher.py`: gives every line of JSON on its stdin to a process.

A line is a run to train, a run whose worker is to leave off, or the config of a run whose steps are
to be compiled.

It does nothing else, and imports nothing heavy: the fork server beside it has loaded torch once,
and a worker is a fork of that server. It is started as a file, so that the fork server begins to
load before this process has imported any of the project. When stdin closes, the program that
wrote to it has ended; the launcher then tells its workers, which write a checkpoint and end, kills
those that do not, and ends.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import threading
import time
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

NICENESS = 10  # of workers, too: the page that draws the curve comes first


def main() -> None:
    """Start workers until stdin closes."""
    with contextlib.suppress(AttributeError, OSError):  # not on Windows
        os.nice(NICENESS)
    reports = os.fdopen(os.dup(1), "w")  # a copy, which workers do not inherit and keep open
    os.dup2(2, 1)
    # A fork has none of the threads that its parent had, and waits for ever for a pool of them.
    # So OpenMP and BLAS start none in the fork server; a worker takes its threads after the fork.
    os.environ["OMP_NUM_THREADS"] = "1"
    context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
    if sys.platform == "linux":  # Apple's frameworks do not survive a fork, and Windows has none
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lm.jobs.preload"])
        forkserver.ensure_running()  # it loads torch while this process loads the rest
    from lm.jobs.worker import Job, exit_with_threads_of_parent
    from lm.jobs.workers import Workers

    writing = threading.Lock()

    def report(**values: object) -> None:
        with writing, contextlib.suppress(OSError):  # the reader may have ended
            reports.write(json.dumps(values) + "\n")
            reports.flush()

    # Its first fork comes when the fork server has loaded, and looks at what it is a fork of.
    note = None
    first = context.Process(target=exit_with_threads_of_parent)
    first.start()
    first.join()
    if sys.platform == "linux" and first.exitcode != 0:
        context = multiprocessing.get_context("spawn")
        note = _what_it_costs(context)
        print(note, file=sys.stderr)
    workers = Workers(context, report)
    report(ready=True, note=note)
    for line in sys.stdin:
        job = json.loads(line)
        if "config" in job:
            workers.compile_ahead(job)
        elif "leave" in job:
            workers.insist(job["leave"])
        else:
            again = job.pop("again")
            workers.train(Job(**job), again=again)
    workers.end()
    os._exit(0)


def _what_it_costs(context: SpawnContext) -> str:
    """A sentence on workers that are no forks."""
    from lm.jobs.worker import load_torch

    started_at = time.monotonic()
    process = context.Process(target=load_torch)
    process.start()
    process.join()
    seconds = time.monotonic() - started_at
    return (
        "The process that is forked for each run cannot be shown to have one native thread here. "
        f"So a fresh interpreter trains each run, and starts about {seconds:.0f} s later."
    )


if __name__ == "__main__":
    main()
