"""The queue of runs to train on this machine. It lives in the server's process, without torch.

A launcher process starts the workers: started from the server itself, each worker would first
import what the server's main module imports. Jobs go to the launcher as lines of JSON on its
stdin, and it answers on its stdout when a worker has ended. Everything else stands in the runs'
folders: with the server, nothing is lost but the order of the runs that waited.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm.base.files import PROJECT
from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.runs import Request, Run, RunError, RunWriter, engines, programs, read_run
from lm.runs.config import RunConfig
from lm.runs.plan import Plan

# Seconds: without progress, after which a worker is taken to hang; and to follow a request in. Each
# is so many steps at SLOWEST FLOPs per second, where that is more.
LEAST_PATIENCE, STEPS_OF_PATIENCE = 120.0, 20
LEAST_GRACE, STEPS_OF_GRACE = 10.0, 3
SLOWEST = 1e9
SIGALRM = 14  # which ends a worker that hangs; the module signal lacks it on Windows


def patience(run: Run) -> float:
    """Seconds without progress after which the process that trains a run is ended."""
    return max(LEAST_PATIENCE, STEPS_OF_PATIENCE * run.facts.flops_per_step.total / SLOWEST)


def grace(run: Run) -> float:
    """Seconds for which a run may go on after it was asked to pause or stop."""
    return max(LEAST_GRACE, STEPS_OF_GRACE * run.facts.flops_per_step.total / SLOWEST)


@dataclass(frozen=True)
class _Job:
    path: Path  # of the run's folder
    threads: int
    until_step: int | None  # None: to the end
    urgent: bool  # somebody is watching
    requested_at: float  # a pause asked for earlier than this does not count
    compiled: bool  # by its engine
    patience: float
    grace: float

    def line(self) -> str:
        """What the launcher is sent."""
        values = {
            "path": str(self.path),
            "until_step": self.until_step,
            "requested_at": self.requested_at,
            "patience": self.patience,
            "grace": self.grace,
            "again": self.compiled,
        }
        return json.dumps(values) + "\n"


class JobQueue:
    """Trains runs in worker processes: as many at a time as the cores have threads for.

    A run that somebody watches goes before the runs of sweeps, and does not wait for those that
    are being trained. Safe to call from several threads. When this process ends, its workers write
    a checkpoint and end.
    """

    def __init__(self, cores: int | None = None, workers: int | None = None) -> None:
        """`cores`: threads to share out (None: all processors). `workers`: runs at a time, however
        many threads they take (None: as many as `cores` allow).
        """
        self.cores = cores or n_cores()
        self.workers = workers
        self._lock = threading.RLock()
        self._waiting: list[_Job] = []
        self._active: dict[Path, _Job] = {}
        self._errors: dict[Path, str] = {}
        self._launcher: subprocess.Popen[str] | None = None
        self._closed = False
        self._compiling = False
        self._to_compile: str | None = None  # the line that is sent next
        self._asked: set[str] = set()  # names of programs
        self._loaded = threading.Event()
        self._leaving: dict[Path, Request] = {}  # active runs that were asked to leave off
        self.note = ""  # what is out of the ordinary about workers on this machine, in a sentence

    def warm(self) -> None:
        """Start the launcher now, so that the first run starts at once. Returns immediately."""
        with self._lock:
            if self._launcher is None and not self._closed:
                self._start_launcher()

    def wait_until_loaded(self, seconds: float) -> None:
        """Wait, no longer than this, until a worker can start at once, or none can be started."""
        self._loaded.wait(seconds)

    def compile_ahead(self, config: RunConfig, vocab_size: int, steps: Plan) -> None:
        """Have the program of a run made, if it will need one, before the run is there.

        Returns immediately. One is made at a time; of several that were asked for meanwhile, the
        last.
        """
        with contextlib.suppress(ConfigError):  # to be told to who starts it
            chosen = engines.choose(config, vocab_size, steps)
            if chosen.engine == "compiled":
                name = programs.name(config, vocab_size, chosen.threads)
                with self._lock:
                    if name not in self._asked and not programs.has(name):
                        self._asked.add(name)
                        job = {
                            "config": config.model_dump_json(),
                            "vocab_size": vocab_size,
                            "n_threads": chosen.threads,
                        }
                        self._to_compile = json.dumps(job) + "\n"
                        self._compile_next()

    def _compile_next(self) -> None:
        if self._to_compile is None or self._compiling or self._closed or self._launcher is None:
            return
        line, self._to_compile = self._to_compile, None
        self._compiling = self._tell(line)  # else a run compiles for itself

    def submit(self, run: Run) -> None:
        """Train a created or resumable run to its end, when there is room.

        Raises `RunError` if nothing is left to train, or the run is being trained already.
        """
        self._submit(run, None, urgent=False)

    def start(self, run: Run, until_step: int | None = None) -> None:
        """Train a run that somebody watches, to its end or until a step.

        It goes before all that was submitted and does not wait for it. Raises what `submit` does.
        """
        self._submit(run, until_step, urgent=True)

    def _submit(self, run: Run, until_step: int | None, urgent: bool) -> None:
        run = run.reload()
        with self._lock:
            if not run.resumable:
                raise RunError(refusal(run))
            if any(job.path == run.path for job in self._waiting):
                raise RunError(f"{run.name} is waiting already.")
            self._errors.pop(run.path, None)
            job = _Job(
                run.path,
                run.facts.threads,
                until_step,
                urgent,
                requested_at=time.time(),
                compiled=run.facts.engine == "compiled",
                patience=patience(run),
                grace=grace(run),
            )
            self._waiting.append(job)
            self._waiting.sort(key=lambda job: not job.urgent)  # a stable sort: else as they came
            self._dispatch()

    def resume(self, run: Run) -> None:
        """Go on with a run that was paused, stopped or interrupted."""
        self.start(run)

    def step(self, run: Run) -> None:
        """Take exactly one more step, then pause."""
        self.start(run, until_step=run.reload().status.step + 1)

    def pause(self, run: Run) -> None:
        """Let a run write a checkpoint and end after the step that it is at.

        A worker that does not follow within its `grace` is ended; the run then goes on from its
        last checkpoint.
        """
        self._leave_off(run, "pause")

    def stop(self, run: Run) -> None:
        """Like `pause`, but the run's state is then "stopped": nobody means to go on soon."""
        self._leave_off(run, "stop")

    def waiting(self) -> list[str]:
        """Ids of the runs that wait for room, the next first."""
        with self._lock:
            return [job.path.name for job in self._waiting]

    def active(self) -> list[str]:
        """Ids of the runs that have a worker here."""
        with self._lock:
            return [path.name for path in self._active]

    def leaving(self, run: Run) -> Request | None:
        """What an active run was asked to do and has not done yet."""
        with self._lock:
            return self._leaving.get(run.path)

    def error(self, run: Run) -> str | None:
        """Why the last attempt to train `run` ended, if it ended in an error."""
        with self._lock:
            return self._errors.get(run.path)

    def most_threads(self) -> int:
        """How many threads a run may have: this machine's processors."""
        return n_cores()

    def close(self) -> None:
        """Let every worker write a checkpoint and end; no further run is started."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            launcher, self._launcher = self._launcher, None
        if launcher is not None:
            with contextlib.suppress(OSError):
                launcher.stdin.close()  # type: ignore[union-attr] - opened with a pipe
            launcher.wait()

    def _leave_off(self, run: Run, request: Request) -> None:
        with self._lock:
            before = len(self._waiting)
            self._waiting = [job for job in self._waiting if job.path != run.path]
            if len(self._waiting) < before:
                if request == "stop":
                    _note_stop(run)
                return
            if run.path in self._active or run.reload().state == "running":
                run.request(request)
            if run.path in self._active and run.path not in self._leaving:
                self._leaving[run.path] = request
                self._tell(json.dumps({"leave": str(run.path)}) + "\n")

    def _tell(self, line: str) -> bool:
        """Send the launcher a line; False if it has just died, which `_listen` is to notice."""
        if self._launcher is None:
            return False
        assert self._launcher.stdin is not None
        try:
            self._launcher.stdin.write(line)
            self._launcher.stdin.flush()
        except OSError:
            return False
        return True

    def _dispatch(self) -> None:
        """Start what there is room for, in order."""
        while self._waiting and not self._closed:
            job = self._waiting[0]
            if job.path in self._active or not self._has_room(job):
                return
            if self._launcher is None:
                self._start_launcher()
            if not self._tell(job.line()):
                return  # `_listen` comes back here
            self._active[job.path] = self._waiting.pop(0)

    def _has_room(self, job: _Job) -> bool:
        counted = [other for other in self._active.values() if other.urgent or not job.urgent]
        if self.workers is not None:
            return len(counted) < self.workers
        taken = sum(other.threads for other in counted)
        return not counted or taken + job.threads <= self.cores

    def _start_launcher(self) -> None:
        path = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._launcher = subprocess.Popen(
            [sys.executable, "-P", str(PROJECT / "lm/jobs/launcher.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            start_new_session=True,  # Ctrl-C is for the server, whose end the launcher notices
        )
        threading.Thread(target=self._listen, args=(self._launcher,), daemon=True).start()

    def _listen(self, launcher: subprocess.Popen[str]) -> None:
        """Take the launcher's reports until it ends.

        Then another one is started for the runs that wait, unless this one never came up.
        """
        assert launcher.stdout is not None
        was_ready = False
        for line in launcher.stdout:
            report = json.loads(line)
            if "ready" in report:
                was_ready = True
                self.note = report["note"] or ""
                self._loaded.set()
            elif "compiled" in report:
                with self._lock:
                    self._compiling = False
                    self._compile_next()
            else:
                self._ended(report)
        launcher.wait()
        self._loaded.set()
        with self._lock:
            if self._launcher is not launcher:
                return
            self._launcher = None
            self._compiling = False
            self._active.clear()
            self._leaving.clear()
            if was_ready:
                self._dispatch()
                return
            for job in self._waiting:
                self._errors[job.path] = (
                    "Worker processes cannot be started here; the server's log says why."
                )
            self._waiting.clear()

    def _ended(self, report: dict[str, Any]) -> None:
        path, exit_code = Path(report["path"]), report["exit_code"]
        with self._lock:
            job, leaving = self._active.get(path), self._leaving.pop(path, None)
        if job is not None and exit_code != 0:
            _note_end(job, exit_code, leaving)
        with self._lock:
            self._active.pop(path, None)
            if report["error"]:
                self._errors[path] = report["error"]
            self._dispatch()


def _note_stop(run: Run) -> None:
    """Write down that a run which waited to go on is not meant to."""
    with contextlib.suppress(RunError, OSError), RunWriter(run) as writer:
        if writer.run.state in ("paused", "interrupted"):
            writer.update(state="stopped", now=True)


def refusal(run: Run) -> str:
    """Why a run that is not resumable is not trained."""
    if run.shipped:
        return f"{run.name} came with the program and is not trained further."
    if run.state == "complete":
        return f"{run.name} is complete: there is nothing left to train."
    if run.state == "failed":
        return f"{run.name} has failed and is not resumed: {run.reason}"
    return f"{run.name} is being trained already."


def _note_end(job: _Job, exit_code: int, leaving: Request | None) -> None:
    """Write into a run's status how its process was ended: only others can say it."""
    with contextlib.suppress(RunError, OSError), RunWriter(read_run(job.path)) as writer:
        if writer.status.state != "running":
            return
        if leaving:
            note_no_answer(writer, leaving)
        elif -exit_code == SIGALRM:
            note_no_progress(writer, job.patience)
        elif exit_code < 0:
            name = signal.Signals(-exit_code).name
            hint = ", as happens when memory runs out" if name == "SIGKILL" else ""
            writer.update(reason=f"Its process was ended by {name}{hint}.", now=True)


def note_no_answer(writer: RunWriter, leaving: Request) -> None:
    """Write down that whoever trained a run was ended, not having followed a request."""
    state = "paused" if leaving == "pause" else "stopped"
    saved = writer.status.checkpoint_step
    reason = f"Its process did not answer when it was asked to {leaving}, and was ended. " + (
        f"Resumed, it goes on from step {saved:,}." if saved else "Resumed, it begins anew."
    )
    writer.update(state=state, reason=reason, pid=None, now=True)


def note_no_progress(writer: RunWriter, seconds: float) -> None:
    """Write down that whoever trained a run was ended, having done nothing for so long."""
    reason = f"Its process made no progress for more than {seconds:.0f} s and was ended."
    writer.update(reason=reason, now=True)
