"""A worker that hangs is ended, whatever it hangs in, and nothing waits for it.."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lm.base.machine import n_native_threads
from lm.jobs import JobQueue, queue, worker
from lm.runs import Run, RunStore
from lm.runs.prepare import prepare
from lm.training import execute
from tests.lm.jobs.test_jobs import PROJECT, alive, config, results, until, until_state

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")

# Python runs a module of this name in every process that it starts, the fork server among them.
IN_THE_FORK_SERVER = """
import sys
if any("forkserver" in argument for argument in sys.orig_argv):
"""
HANGS = """
    import ctypes, threading
    from lm.training.execution import _Execution

    def hang():
        lock = threading.Lock()
        lock.acquire()
        while True:
            {hang}

    finish = _Execution.finish
    _Execution.finish = lambda self: hang() if self.writer.run.name == "hangs" else finish(self)
"""
WAYS = {
    "spins": "pass",
    "sleeps in C and holds Python's lock": "ctypes.PyDLL(None).sleep(1000)",
    "waits for a lock": "lock.acquire()",
}
COUNTS_ITS_FORKS = """
    import os

    def note():
        with open({path!r}, "a") as file:
            file.write(f"{{os.getpid()}} {{len(os.listdir('/proc/self/task'))}}\\n")

    os.register_at_fork(before=note)
"""
HAS_ANOTHER_THREAD = """
    import threading, time
    threading.Thread(target=time.sleep, args=(1_000,), daemon=True).start()
"""
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS, scope="module")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def in_the_fork_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have code run in the fork server of every queue that is opened from now on."""

    def add(code: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(IN_THE_FORK_SERVER + code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return add


@pytest.fixture
def jobs() -> Iterator[JobQueue]:
    jobs = JobQueue(cores=1)
    yield jobs
    jobs.close()


@pytest.fixture(scope="module")
def hanging_jobs(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    """A queue whose workers hang `way` when a run of the name "hangs" has taken its steps."""
    folder = tmp_path_factory.mktemp("hanging")
    (folder / "sitecustomize.py").write_text(IN_THE_FORK_SERVER + HANGS.format(hang=way))
    jobs = JobQueue(cores=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        jobs.warm()
    yield jobs
    jobs.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return execute(prepare(config(steps=20), RunStore(tmp_path_factory.mktemp("undisturbed"))))


def hanging(store: RunStore) -> Run:
    """A run that hangs when its steps are taken."""
    return prepare(config(steps=20), store, name="hangs")


def until_it_hangs(run: Run) -> int:
    """The process that hangs, once it does."""
    until(lambda: run.reload().status.checkpoint_step == 20)
    pid = run.reload().status.pid
    assert pid is not None
    return pid


def test_from_the_first_sign_of_progress_on_the_patience_is_the_run_s(monkeypatch):
    """A run may be over a moment after it began, and hang then."""
    timers = []
    monkeypatch.setattr(worker.signal, "setitimer", lambda _, seconds: timers.append(seconds))
    monkeypatch.setattr(worker.faulthandler, "register", lambda *_, **__: None)
    parent = SimpleNamespace(is_alive=lambda: True)
    monkeypatch.setattr(worker.multiprocessing, "parent_process", lambda: parent)
    watch = worker._Watch()
    watch.begin(3.0)
    assert timers.pop() == worker.FIRST_PROGRESS_SECONDS
    watch.progress()
    assert timers.pop() == 3.0


@every_way
def test_it_is_ended_without_progress_and_the_queue_goes_on(
    hanging_jobs, monkeypatch, store, undisturbed
):
    monkeypatch.setattr(queue, "LEAST_PATIENCE", 3.0)
    run, next_run = hanging(store), prepare(config(steps=20), store)
    hanging_jobs.submit(run)
    hanging_jobs.submit(next_run)
    # On a busy machine a step may take seconds, and a hang is then told from 20 times as many.
    assert until_state(next_run, "complete", seconds=300).status.valid
    ended = run.reload()
    assert (ended.state, ended.resumable) == ("interrupted", True)
    assert ended.reason.startswith("Its process made no progress for more than 3 s and was ended.")
    assert "its last checkpoint is of step 20" in ended.reason
    # from what was on disk it ends as a run that nothing has happened to
    store.rename(run, "goes on")
    hanging_jobs.resume(run)
    assert results(until_state(run, "complete")) == results(undisturbed)


@pytest.mark.parametrize("way", [*WAYS.values()][:2], ids=[*WAYS][:2], scope="module")
def test_pause_and_stop_insist(way, hanging_jobs, monkeypatch, store):
    request_, state = ("pause", "paused") if way == WAYS["spins"] else ("stop", "stopped")
    monkeypatch.setattr(queue, "LEAST_GRACE", 0.5)
    run = hanging(store)
    hanging_jobs.start(run)
    pid = until_it_hangs(run)
    getattr(hanging_jobs, request_)(run)
    ended = until_state(run, state)
    assert not alive(pid)
    assert ended.reason == (
        f"Its process did not answer when it was asked to {request_}, and was ended. "
        "Resumed, it goes on from step 20."
    )
    until(lambda: not hanging_jobs.active())


SERVER = """
import sys, time
from lm.jobs import JobQueue, queue
from lm.runs import RunStore
queue.LEAST_GRACE = 1.0
jobs = JobQueue(cores=1)
jobs.submit(RunStore(sys.argv[1]).get(sys.argv[2]))
time.sleep(600)
"""


@every_way
def test_it_does_not_outlive_its_server(way, in_the_fork_server, store):
    in_the_fork_server(HANGS.format(hang=way))
    run = hanging(store)
    path = os.pathsep.join([str(PROJECT), os.environ["PYTHONPATH"]])
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, store.root, run.run_id],
        env={**os.environ, "PYTHONPATH": path},
    )
    pid = until_it_hangs(run)
    server.kill()
    server.wait()
    until(lambda: not alive(pid), seconds=20)
    assert run.reload().state == "interrupted"


def test_it_does_not_outlive_the_launcher_either(in_the_fork_server, monkeypatch, store, jobs):
    monkeypatch.setattr(queue, "LEAST_PATIENCE", 3.0)
    in_the_fork_server(HANGS.format(hang=WAYS["spins"]))
    run = hanging(store)
    jobs.submit(run)
    pid = until_it_hangs(run)
    os.kill(jobs._launcher.pid, signal.SIGKILL)
    until(lambda: not alive(pid), seconds=20)


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere nothing forks.")
def test_whoever_forks_has_one_native_thread(in_the_fork_server, tmp_path, store, jobs):
    """The fork server, and workers whose steps are divided: of several members, and resumed."""
    forks = tmp_path / "forks"
    in_the_fork_server(COUNTS_ITS_FORKS.format(path=str(forks)))
    settings = config(steps=300, engine="eager")
    settings = settings.replace(
        model=settings.model.replace(members=2),
        training=settings.training.replace(threads=2, optimizer="adamw"),
    )
    run = prepare(settings, store)
    jobs.start(run)
    until(lambda: run.reload().status.step > 10)
    jobs.pause(run)
    until_state(run, "paused")
    jobs.resume(run)
    until_state(run, "complete")
    counted = [line.split() for line in forks.read_text().splitlines()]
    assert {n_threads for _, n_threads in counted} == {"1"}
    assert len({pid for pid, _ in counted}) == 3  # the fork server, and two workers
    assert len(counted) >= 5  # its first fork, two workers, and a helper of each


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere nothing forks.")
def test_a_fork_of_what_is_preloaded_computes_with_two_threads():
    code = """
import os, torch, lm.jobs.preload
if (child := os.fork()) == 0:
    torch.set_num_threads(2); a = torch.randn(1500, 1500); (a @ a).sum(); os._exit(0)
os.waitpid(child, 0)
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=100)


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere nothing forks.")
def test_where_the_fork_server_has_more_threads_fresh_interpreters_train(
    in_the_fork_server, store, jobs
):
    in_the_fork_server(HAS_ANOTHER_THREAD)
    run = prepare(config(steps=20), store)
    jobs.start(run)
    assert until_state(run, "complete").status.valid
    assert "a fresh interpreter trains each run, and starts about" in jobs.note


def test_the_system_tells_how_many_threads_a_process_has():
    if not Path("/proc").is_dir():
        pytest.skip("It is asked through /proc.")
    code = (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); input()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    until(lambda: n_native_threads(process.pid) == 2)
    process.kill()
    process.wait()
    assert n_native_threads(process.pid) is None
