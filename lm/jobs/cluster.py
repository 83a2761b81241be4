"""Training on the machines of a Ray cluster, copied as it goes into the runs folder here.

A run is sent out with what its folder holds and with its corpus, is trained in a folder of its
own wherever Ray finds room, and what it writes comes back twice a second. The folder here
stays the single truth: this process holds its lock meanwhile, and if the machine out there is
lost, the folder is that of an interrupted run, which goes on from its last checkpoint. Nothing
is assumed of a machine but Python and the packages: no shared filesystem, no corpus, no code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.base.files import PROJECT
from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.datasets import Corpus, load
from lm.datasets.config import DataConfig
from lm.jobs.queue import grace, note_no_answer, note_no_progress, patience, refusal
from lm.jobs.worker import FIRST_PROGRESS_SECONDS, in_a_sentence
from lm.runs import Request, Run, RunError, RunWriter, read_run
from lm.runs.run import TOKENIZER
from lm.training import execute

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

SECONDS_BETWEEN_UPDATES = 0.5
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_CONNECT = 5.0
ROWS = ("metrics.jsonl", "samples.jsonl")
TENSORS = ("training_state.safetensors", "model.safetensors")
SENT = ("config.json", "tokenizer.json", "status.json", *ROWS, TENSORS[0])


# --- on the machine that trains ---------------------------------------------------------------


@dataclass(frozen=True)
class _Update:
    """What a run wrote since the previous update."""

    rows: dict[str, bytes] = field(default_factory=dict)  # whole lines, to append
    files: dict[str, bytes] = field(default_factory=dict)  # to replace
    error: str | None = None


class _Folder:
    """The folder of a run on the machine that trains it: it tells what is new in it."""

    def __init__(self, path: Path, files: dict[str, bytes]) -> None:
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)
        self.path = path
        self._sent: dict[str, int] = dict.fromkeys(ROWS, 0)
        self._seen: dict[str, tuple[int, int]] = {}
        self.update()  # the files that it began with are not new

    def update(self) -> _Update:
        """What is new. The status is read first, so that it never runs ahead of the rest."""
        files = {name: self._changed(name) for name in ("status.json", *TENSORS)}
        rows = {name: self._new_lines(name) for name in ROWS}
        return _Update(
            {name: lines for name, lines in rows.items() if lines},
            {name: content for name, content in files.items() if content is not None},
        )

    def _changed(self, name: str) -> bytes | None:
        """The content of a file that was replaced since the last look; None where it was not."""
        try:
            with (self.path / name).open("rb") as file:
                status = os.fstat(file.fileno())
                version = (status.st_ino, status.st_mtime_ns)
                if self._seen.get(name) == version:
                    return None
                self._seen[name] = version
                return file.read()
        except FileNotFoundError:
            return None

    def _new_lines(self, name: str) -> bytes:
        """The whole lines that were appended to a file since the last look."""
        try:
            with (self.path / name).open("rb") as file:
                file.seek(self._sent[name])
                content = file.read()
        except FileNotFoundError:
            return b""
        lines = content[: content.rfind(b"\n") + 1]
        self._sent[name] += len(lines)
        return lines


class _Desk:
    """A Ray actor beside the queue: it keeps requests until the machine that trains asks."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}

    def leave(self, attempt: str, request: Request) -> None:
        self._requests[attempt] = request

    def take(self, attempt: str) -> Request | None:
        return self._requests.pop(attempt, None)


def _train(
    attempt: str, run_id: str, files: dict[str, bytes], corpus: Corpus, desk: ActorHandle
) -> Iterator[_Update]:
    """A Ray task: train a run from the files of its folder, and yield what it writes.

    `attempt` is the name under which requests for this run lie on the `desk`.
    """
    import ray

    # the corpus lies in memory that all tasks of a machine share; nobody writes to it
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    errors: list[str] = []

    def train() -> None:
        try:
            execute(run, corpus=corpus)
        except Exception as error:
            errors.append(in_a_sentence(error))

    with tempfile.TemporaryDirectory(prefix="lm-") as home:
        folder = _Folder(Path(home) / run_id, files)
        run = read_run(folder.path)
        trainer = threading.Thread(target=train, daemon=True)
        trainer.start()
        yield _Update()  # it has begun
        while trainer.is_alive():
            trainer.join(SECONDS_BETWEEN_UPDATES)
            request: Any = ray.get(desk.take.remote(attempt))
            if request:
                run.request(request)
            yield folder.update()
        yield replace(folder.update(), error=errors[0] if errors else None)


# --- on this machine --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    run: Run
    cpus: int
    gpus: int
    requested_at: float = field(default_factory=time.time)  # an older pause does not count


@dataclass(eq=False)
class _Attempt:
    """A run on its way through the cluster. This process holds its lock."""

    key: str  # of its requests on the desk: the run's id and a number
    job: _Job
    writer: RunWriter
    updates: Any  # ray.ObjectRefGenerator
    progress_at: float | None = None  # when its status was last new; None: no machine has it yet
    leaving: tuple[Request, float] | None = None  # what it was asked to do, and when


class RayQueue:
    """Trains runs on a Ray cluster: an `Executor`.

    One thread holds the locks, sends runs out and takes in what comes back. Safe to call from
    several threads.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        """Join the cluster at `address` ("auto": the one of this machine), or start one here.

        `workers` is how many runs go out at a time, whether or not the cluster has room for
        them; None: as many as it has room for. Raises `ConfigError` if Ray is not installed or
        no cluster answers.
        """
        self._ray = _connected(address)
        self._workers = workers
        self._lock = threading.RLock()
        self._waiting: list[_Job] = []
        self._active: dict[Path, _Attempt | None] = {}  # None: about to be sent
        self._errors: dict[Path, str] = {}
        self._corpora: dict[tuple[DataConfig, str, str], ObjectRef] = {}
        self._sent = 0
        here = self._ray.get_runtime_context().get_node_id()
        self._desk = (
            self._ray.remote(_Desk).options(num_cpus=0, scheduling_strategy=_on_node(here)).remote()
        )
        self._task = self._ray.remote(
            max_retries=0,  # a lost run goes on from its folder here, not from what was sent
            num_returns="streaming",
            _generator_backpressure_num_objects=2,
        )(_train)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, run: Run) -> None:
        """See `Executor`."""
        run = run.reload()
        with self._lock:
            if self._closed.is_set():
                raise RunError("The Ray cluster does not answer any more.")
            if not run.resumable:
                raise RunError(refusal(run))
            if run.run_id in (*self.waiting(), *self.active()):
                raise RunError(f"{run.name} is waiting or being trained already.")
            self._errors.pop(run.path, None)
            self._waiting.append(self._job(run))

    def pause(self, run: Run) -> None:
        """See `Executor`."""
        with self._lock:
            self._waiting = [job for job in self._waiting if job.run.path != run.path]
            if run.path in self._active:
                run.request("pause")

    def waiting(self) -> list[str]:
        """See `Executor`."""
        with self._lock:
            return [job.run.run_id for job in self._waiting]

    def active(self) -> list[str]:
        """See `Executor`. A run counts as soon as Ray has it, though it may still wait there."""
        with self._lock:
            return [path.name for path in self._active]

    def error(self, run: Run) -> str | None:
        """See `Executor`."""
        with self._lock:
            return self._errors.get(run.path)

    def most_threads(self) -> int:
        """See `Executor`."""
        nodes = [node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]]
        return max(1, int(max(nodes, default=1)))

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here.

        Runs that are being trained lose what came after their last checkpoint: `pause` first.
        """
        self._closed.set()
        self._thread.join()
        self._ray.shutdown()

    # --- in the queue's own thread ---

    def _serve(self) -> None:
        try:
            while not self._closed.is_set():
                self._dispatch()
                self._forward_requests()
                self._take_updates()
                self._give_up()
        finally:  # closed, or the cluster is gone
            with self._lock:
                self._closed.set()
                self._waiting.clear()
            for attempt in self._attempts():
                self._recall(attempt)
            self._active.clear()

    def _attempts(self) -> list[_Attempt]:
        return [attempt for attempt in self._active.values() if attempt]

    def _dispatch(self) -> None:
        """Send out what there is room for, in order."""
        while True:
            with self._lock:
                if not self._waiting or not self._has_room(self._waiting[0]):
                    return
                job = self._waiting.pop(0)
                self._active[job.run.path] = None
            try:
                attempt = self._send(job)
            except (ValueError, OSError) as error:
                self._end(job.run.path, str(error))
            else:
                with self._lock:
                    self._active[job.run.path] = attempt

    def _has_room(self, job: _Job) -> bool:
        active = [attempt.job for attempt in self._attempts()]
        if self._workers is not None:
            return len(active) < self._workers
        resources = self._ray.cluster_resources()
        if job.gpus:
            return sum(other.gpus for other in active) + job.gpus <= resources.get("GPU", 0)
        cpus_taken = sum(other.cpus for other in active)
        return not active or cpus_taken + job.cpus <= resources.get("CPU", 0)

    def _send(self, job: _Job) -> _Attempt:
        """Lock a run's folder and hand the run to Ray."""
        writer = RunWriter(job.run)
        writer.__enter__()
        try:
            paths = {name: writer.path / name for name in SENT}
            files = {name: path.read_bytes() for name, path in paths.items() if path.exists()}
            corpus = self._corpus(writer.run)
            self._sent += 1
            key = f"{job.run.run_id} {self._sent}"
            task = self._task.options(num_cpus=job.cpus, num_gpus=job.gpus, name=job.run.run_id)
            updates = task.remote(key, job.run.run_id, files, corpus, self._desk)
            return _Attempt(key, job, writer, updates)
        except BaseException:
            writer.__exit__()
            raise

    def _corpus(self, run: Run) -> ObjectRef:
        """The corpus of a run, sent to a machine once however many runs need it there."""
        tokenizer = run.files.read(TOKENIZER).decode()
        key = (run.config.data, run.facts.sha256, tokenizer)
        if key not in self._corpora:
            self._corpora[key] = self._ray.put(load(run.config.data, run.tokenizer()))
        return self._corpora[key]

    def _forward_requests(self) -> None:
        """Pass on what `Run.request`, by whomever, left in the folders here."""
        for attempt in self._attempts():
            request = attempt.writer.take_request(attempt.job.requested_at)
            if request and attempt.progress_at is not None:
                self._desk.leave.remote(attempt.key, request)
                attempt.leaving = attempt.leaving or (request, time.monotonic())
            elif request:
                self._recall(attempt)

    def _take_updates(self) -> None:
        """Wait a moment for news, and take in what there is."""
        attempts = {attempt.updates: attempt for attempt in self._attempts()}
        if not attempts:
            self._closed.wait(SECONDS_BETWEEN_LOOKS)
            return
        ready, _ = self._ray.wait(
            list(attempts), timeout=SECONDS_BETWEEN_LOOKS, num_returns=len(attempts)
        )
        for updates in ready:
            self._take(attempts[updates])

    def _take(self, attempt: _Attempt) -> None:
        """Take in the next update of a run."""
        path = attempt.job.run.path
        try:
            update: _Update = self._ray.get(next(attempt.updates))
            if attempt.progress_at is None or "status.json" in update.files:
                attempt.progress_at = time.monotonic()
            attempt.writer.receive(update.rows, update.files)
            if update.error:
                with self._lock:
                    self._errors[path] = update.error
        except StopIteration:
            self._end(path)
        except self._ray.exceptions.RayError as error:
            reason = _why_it_was_lost(error)
            with contextlib.suppress(RunError, OSError):
                attempt.writer.update(reason=reason, now=True)
            self._end(path, reason)
        except (RunError, OSError) as error:  # a full disk, or the folder is gone
            self._recall(attempt, str(error))

    def _give_up(self) -> None:
        """Take runs back from machines that make no progress or do not follow a request."""
        now = time.monotonic()
        for attempt in self._attempts():
            run = attempt.job.run
            if attempt.progress_at is None:
                continue
            begun = attempt.writer.status.step > 0
            seconds = patience(run) if begun else max(patience(run), FIRST_PROGRESS_SECONDS)
            with contextlib.suppress(RunError, OSError):
                if attempt.leaving and now - attempt.leaving[1] > grace(run):
                    note_no_answer(attempt.writer, attempt.leaving[0])
                elif now - attempt.progress_at > seconds:
                    note_no_progress(attempt.writer, seconds)
                else:
                    continue
            self._recall(attempt, attempt.writer.status.reason, force=True)

    def _recall(self, attempt: _Attempt, error: str | None = None, force: bool = False) -> None:
        """Call off the training of a run, with `force` whatever it is at. Its folder stays."""
        with contextlib.suppress(self._ray.exceptions.RayError, TypeError, ValueError):
            self._ray.cancel(attempt.updates, force=force)
        self._end(attempt.job.run.path, error)

    def _end(self, path: Path, error: str | None = None) -> None:
        """Forget a run that is no longer trained, and give its lock back."""
        with self._lock:
            attempt = self._active.pop(path)
            if error:
                self._errors[path] = error
        if attempt:
            attempt.writer.__exit__()

    def _job(self, run: Run) -> _Job:
        """What a run asks for: a GPU where it may use one, else a processor for each thread.

        Raises `RunError` where it must have a GPU and no machine has one.
        """
        device = run.status.device or run.config.training.device
        n_gpus = self._ray.cluster_resources().get("GPU", 0)
        if device == "cuda" and not n_gpus and self._workers is None:
            raise RunError(f"{run.name} wants a GPU, and no machine of the cluster has one.")
        if device == "cuda" or (device == "auto" and n_gpus):
            return _Job(run, cpus=1, gpus=1)
        return _Job(run, cpus=min(run.facts.threads, self.most_threads()), gpus=0)


def _connected(address: str | None) -> Any:
    """The module `ray`, connected to a cluster."""
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "Executor 'ray' needs Ray, which is not installed here. Install it with "
            "`pip install -r requirements-cluster.txt`."
        ) from None
    if address not in (None, "auto"):
        _check_address(address)
    if ray.is_initialized():
        raise ConfigError("This process uses a Ray cluster already. Close that executor first.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {} if address else {"num_cpus": n_cores(), "include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            runtime_env={"py_modules": [str(PROJECT / "lm")], "excludes": ["__pycache__"]},
            log_to_driver=False,
            logging_level=logging.ERROR,
            **options,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address or "local", _first_line(error)) from None
    return ray


def _check_address(address: str) -> None:
    """Raises `ConfigError` for an address where nothing answers: Ray itself takes minutes."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()) or "/" in address:
        raise ConfigError(
            "ray-address must be auto, or HOST:PORT of a cluster that this machine has joined "
            f"(docs/cluster.md). Received: {address!r}."
        )
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"No Ray cluster answers at {address!r}: {why}. `ray start --head` starts one; "
        "docs/cluster.md says how machines join it."
    )


def _on_node(node_id: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _why_it_was_lost(error: Exception) -> str:
    return f"The machine that trained it was lost ({type(error).__name__}: {_first_line(error)})."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
