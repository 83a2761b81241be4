"""`python lm/jobs/launcher.py`: gives every line of JSON on its stdin to a process.

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
from multiprocessing import forkserver
from typing import Any

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
    from lm.jobs.worker import Job, compile_ahead
    from lm.jobs.workers import Workers

    writing = threading.Lock()

    def report(**values: object) -> None:
        with writing, contextlib.suppress(OSError):  # the reader may have ended
            reports.write(json.dumps(values) + "\n")
            reports.flush()

    def report_after(process: Any, **values: object) -> None:
        process.start()
        process.join()
        report(**values)

    workers = Workers(context, report)
    report(ready=True)
    # the fork server makes its first fork, which does nothing, once it has loaded; where there is
    # none, every worker loads for itself
    first = context.Process()
    threading.Thread(target=report_after, args=(first,), kwargs={"loaded": True}).start()
    for line in sys.stdin:
        job = json.loads(line)
        if "config" in job:
            compiler = context.Process(target=compile_ahead, kwargs=job)
            done = {"compiled": True}
            threading.Thread(target=report_after, args=(compiler,), kwargs=done).start()
        else:
            again = job.pop("again")
            workers.train(Job(**job), again=again)
    os._exit(0)  # without waiting for the workers: this end is their sign to checkpoint and go


if __name__ == "__main__":
    main()
