"""Trainings in worker processes: steered, killed, orphaned, and exact all the same."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lm.architectures.transformer.config import TransformerConfig
from lm.datasets.config import DataConfig
from lm.jobs import JobQueue
from lm.runs import Run, RunError, RunStore, RunWriter, programs
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.training import execute
from lm.updates.config import TrainingConfig

PROJECT = Path(__file__).parents[3]
PATIENCE = 60.0  # seconds, on a machine that has much else to do

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")


def config(steps: int = 1_200, engine: str = "auto") -> RunConfig:
    """A run of a few seconds, with dropout, and with pauses between its records."""
    return RunConfig(
        data=DataConfig(dataset="known_entropy", n_chars=2_000),
        model=TransformerConfig(
            context_length=8, d_model=8, d_ff=16, n_heads=1, n_layers=1, dropout=0.1
        ),
        training=TrainingConfig(steps=steps, batch_size=2, optimizer="muon", engine=engine),
    )


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture(scope="module")
def shared_queue() -> Iterator[JobQueue]:
    queue = JobQueue(cores=2)
    queue.warm()
    yield queue
    queue.close()


@pytest.fixture
def queue(shared_queue: JobQueue) -> Iterator[JobQueue]:
    yield shared_queue
    until(lambda: not shared_queue.active() and not shared_queue.waiting())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return execute(prepare(config(), RunStore(tmp_path_factory.mktemp("undisturbed"))))


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> float:
    """Wait for a condition; returns the seconds that it took."""
    started_at = time.monotonic()
    while not condition():
        assert time.monotonic() - started_at < seconds, "waited in vain"
        time.sleep(0.005)
    return time.monotonic() - started_at


def test_waiting_until_workers_are_loaded_is_most_of_the_wait(store: RunStore) -> None:
    queue = JobQueue()
    queue.warm()
    loading = until(lambda: queue.wait_until_loaded(PATIENCE) is None)
    assert loading < PATIENCE
    run = prepare(config(steps=2), store)
    queue.start(run)
    assert until(lambda: run.reload().status.step > 0) < loading
    queue.close()


def test_nobody_waits_for_workers_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    queue = JobQueue()
    queue.warm()
    assert until(lambda: queue.wait_until_loaded(PATIENCE) is None) < PATIENCE
    queue.close()


def until_state(run: Run, *states: str, seconds: float = PATIENCE) -> Run:
    until(lambda: run.reload().state in states, seconds)
    return run.reload()


def until_training(run: Run) -> Run:
    """Until it is seen to have taken a step in the process that its status names."""
    step = run.reload().status.step
    until(lambda: run.reload().state == "running" and run.reload().status.step > step)
    return run.reload()


def results(run: Run) -> dict[str, Any]:
    return {
        "weights": run.weights_path.read_bytes(),
        "rows": [{**row, "seconds": None} for row in run.rows()],
        "samples": run.samples().to_dict("records"),
        "status": replace(run.status, seconds=0, updated_at=""),
    }


def test_pause_step_stop_and_resume(queue, store, undisturbed):
    run = prepare(config(), store)
    queue.submit(run)
    until_training(run)
    with pytest.raises(RunError, match="being trained already"):
        queue.submit(run)

    queue.pause(run)
    paused = until_state(run, "paused")
    time.sleep(1)
    assert run.reload().status == paused.status
    assert paused.status.checkpoint_step == paused.status.step
    until(lambda: not queue.active())

    for i in (1, 2):
        queue.step(run)
        until(lambda: not queue.active())
        stepped = run.reload()
        assert (stepped.state, stepped.status.step) == ("paused", paused.status.step + i)

    queue.resume(run)
    until_training(run)
    queue.stop(run)
    assert until(lambda: run.reload().state == "stopped") < 10  # 2 when nothing else runs
    stopped = run.reload()
    assert stopped.status.checkpoint_step == stopped.status.step
    assert stopped.status.valid is None

    queue.resume(run)  # at once, while the worker may still be on its way out
    complete = until_state(run, "complete")
    assert results(complete) == results(undisturbed)
    with pytest.raises(RunError, match="complete: there is nothing left"):
        queue.submit(run)


@pytest.mark.parametrize("engine", ["compiled", "eager"])
def test_killed_at_ten_random_moments_it_ends_where_an_undisturbed_run_ends(queue, store, engine):
    undisturbed = execute(prepare(config(engine=engine), store))
    run = prepare(config(engine=engine), store)
    assert run.facts.engine == engine
    chance = random.Random(0)
    pid = None
    for _ in range(10):
        queue.submit(run)
        pid = until_worker(run, other_than=pid)
        time.sleep(chance.uniform(0, 0.15))
        os.kill(pid, signal.SIGKILL)
        until(lambda: not queue.active())
        killed = run.reload()
        assert (killed.state, killed.resumable) == ("interrupted", True)
        assert "SIGKILL" in killed.reason
    queue.submit(run)
    assert results(until_state(run, "complete")) == results(undisturbed)


def until_worker(run: Run, other_than: int | None) -> int:
    """The process that trains a run, as soon as the run says so."""
    until(lambda: run.reload().state == "running" and run.reload().status.pid != other_than)
    pid = run.reload().status.pid
    assert pid is not None
    return pid


def test_a_program_is_made_before_its_run_is_there(queue):
    pytest.importorskip("jax", reason="without jax nothing is compiled")
    wanted = config()
    wanted = wanted.replace(model=wanted.model.replace(d_ff=24))  # of no other test
    steps = plan(wanted, 29, 2_000)
    name = programs.name(wanted, 29, 1)
    (programs.folder() / f"{name}.xla").unlink(missing_ok=True)
    queue.compile_ahead(wanted, 29, steps)
    queue.compile_ahead(wanted, 29, steps)  # while the first is being made
    until(lambda: programs.load(name) is not None)
    eager = wanted.replace(training=wanted.training.replace(engine="eager", batch_size=3))
    queue.compile_ahead(eager, 29, steps)
    time.sleep(1)
    assert not programs.has(programs.name(eager, 29, 1))


def test_a_worker_trains_one_compiled_run_after_another(store):
    pytest.importorskip("jax", reason="without jax nothing is compiled")
    queue = JobQueue(workers=1)
    undisturbed = execute(prepare(config(engine="compiled"), store))
    runs = [prepare(config(engine="compiled"), store) for _ in range(3)]
    for run in runs:
        queue.submit(run)
    pids = [until_worker(run, other_than=None) for run in runs[:2]]
    assert pids[0] == pids[1]
    last = until_worker(runs[2], other_than=None)
    assert last == pids[0]
    os.kill(last, signal.SIGKILL)  # which costs the run at hand, and none of those before
    until(lambda: not queue.active())
    assert runs[2].reload().state == "interrupted"
    assert [results(run.reload()) for run in runs[:2]] == [results(undisturbed)] * 2
    queue.submit(runs[2])
    with_xla = until_worker(runs[2], other_than=last)
    assert results(until_state(runs[2], "complete")) == results(undisturbed)
    eager = prepare(config(engine="eager"), store)
    queue.submit(eager)  # which may fork, and must not do so beside XLA
    assert until_worker(eager, other_than=None) != with_xla
    queue.close()


def test_a_worker_that_was_asked_to_end_leaves_the_next_run_to_another(store):
    pytest.importorskip("jax", reason="without jax nothing is compiled")
    queue = JobQueue(workers=1)
    runs = [prepare(config(engine="compiled"), store) for _ in range(2)]
    for run in runs:
        queue.submit(run)
    os.kill(until_worker(runs[0], other_than=None), signal.SIGTERM)
    until_state(runs[0], "paused")
    assert until_state(runs[1], "complete").status.valid
    queue.close()


def test_killing_one_worker_leaves_the_others_alone(queue, store):
    long = config(steps=100_000)  # still training when the other's end is noticed
    victim, other = prepare(long, store), prepare(long, store)
    queue.submit(victim)
    queue.submit(other)
    until_training(victim)
    until_training(other)
    os.kill(victim.reload().status.pid, signal.SIGKILL)
    assert until(lambda: victim.reload().state == "interrupted") < 10  # 3 when nothing else runs
    assert until_training(other).state == "running"
    queue.stop(other)
    until_state(other, "stopped")


def test_runs_beyond_the_cores_wait_in_order_and_can_be_taken_back(queue, store):
    runs = [prepare(config(), store) for _ in range(5)]
    for run in runs:
        queue.submit(run)
    ids = [run.run_id for run in runs]
    assert (queue.active(), queue.waiting()) == (ids[:2], ids[2:])
    with pytest.raises(RunError, match="waiting already"):
        queue.submit(runs[3])
    queue.pause(runs[3])
    assert queue.waiting() == [ids[2], ids[4]]
    assert runs[3].reload().state == "created"
    queue.stop(runs[0])
    until(lambda: ids[2] in queue.active())
    assert queue.waiting() == [ids[4]]
    store.delete(runs[4])
    for run in runs[1:3]:
        queue.stop(run)
    until(lambda: not queue.active() and not queue.waiting())
    assert "deleted" in queue.error(runs[4]) or "missing" in queue.error(runs[4])


def test_a_paused_run_that_waits_to_go_on_is_stopped(queue, store):
    others = [prepare(config(steps=100_000), store) for _ in range(2)]
    paused = prepare(config(), store)
    queue.step(paused)
    until_state(paused, "paused")
    until(lambda: not queue.active())
    for run in (*others, paused):
        queue.submit(run)
    assert queue.waiting() == [paused.run_id]
    queue.stop(paused)
    assert paused.reload().state == "stopped"
    for run in others:
        queue.stop(run)


def test_a_run_that_another_process_holds_is_a_sentence(queue, store):
    run = prepare(config(), store)
    with RunWriter(run):
        queue.submit(run)
        until(lambda: not queue.active())
    assert "being trained by another process" in queue.error(run)
    assert run.reload().state == "created"


def test_a_run_that_is_watched_waits_for_no_sweep_and_for_others_that_are(store):
    queue = JobQueue(cores=1)
    runs = [prepare(config(), store) for _ in range(5)]
    for run in runs[:2]:  # a sweep's
        queue.submit(run)
    until_training(runs[0])
    for run in runs[2:4]:
        queue.start(run)
    assert queue.active() == [runs[0].run_id, runs[2].run_id]
    assert queue.waiting() == [runs[3].run_id, runs[1].run_id]
    queue.submit(runs[4])
    assert queue.waiting() == [runs[3].run_id, runs[1].run_id, runs[4].run_id]
    until_training(runs[2])
    queue.close()


def test_workers_survive_the_launcher_and_so_does_the_queue(store, undisturbed):
    queue = JobQueue(cores=1)
    first, second = prepare(config(), store), prepare(config(), store)
    queue.submit(first)
    queue.submit(second)
    until_training(first)
    os.kill(queue._launcher.pid, signal.SIGKILL)
    orphan = until_state(first, "paused")
    assert "has ended" in orphan.reason
    assert orphan.status.checkpoint_step == orphan.status.step
    until_training(second)  # by a new launcher
    queue.submit(first)
    assert queue.waiting() == [first.run_id]
    queue.stop(second)
    assert results(until_state(first, "complete")) == results(undisturbed)
    queue.close()


SERVER = """
import sys, time
from lm.jobs import JobQueue
from lm.runs import RunStore
queue = JobQueue(cores=1)
queue.submit(RunStore(sys.argv[1]).get(sys.argv[2]))
time.sleep(600)
"""


def test_workers_checkpoint_and_end_with_the_server(queue, store, undisturbed):
    run = prepare(config(), store)
    code = SERVER.replace(
        "RunStore(sys.argv[1])", "RunStore(__import__('pathlib').Path(sys.argv[1]))"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, store.root, run.run_id],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    pid = until_training(run).status.pid
    server.kill()
    server.wait()
    orphan = until_state(run, "paused")
    assert "has ended" in orphan.reason
    until(lambda: not alive(pid))
    queue.resume(run)
    assert results(until_state(run, "complete")) == results(undisturbed)


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended but not been waited for does not)."""
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return Path("/proc").is_dir() and False


def test_a_worker_that_is_asked_to_end_checkpoints_first(queue, store):
    run = prepare(config(), store)
    queue.submit(run)
    os.kill(until_training(run).status.pid, signal.SIGTERM)
    ended = until_state(run, "paused")
    assert "SIGTERM" in ended.reason
    assert ended.status.checkpoint_step == ended.status.step


def test_a_failure_is_a_sentence_in_the_queue_and_in_the_run(queue, store, tmp_path):
    text = tmp_path / "mine.txt"
    text.write_text("one two three four five six seven eight nine ten\n" * 50)
    settings = config().replace(data=DataConfig(dataset="text", text_path=str(text)))
    run = prepare(settings, store)
    text.write_text("something else entirely\n" * 50)
    queue.submit(run)
    until(lambda: not queue.active())
    assert queue.error(run) == run.reload().reason
    assert run.reload().state == "stopped"


def test_a_warm_queue_starts_a_run_at_once(queue, store):
    """0.2 s on an idle machine, where a fresh interpreter needs 2."""
    run = prepare(config(), store)
    queue.submit(run)
    assert until(lambda: run.rows()) < 5
    queue.stop(run)
    until_state(run, "stopped")


def test_the_launcher_has_neither_torch_nor_streamlit():
    code = (
        "import json, sys, lm.jobs.launcher, lm.jobs.worker\n"
        "print(json.dumps([name for name in ('torch', 'streamlit') if name in sys.modules]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == []
