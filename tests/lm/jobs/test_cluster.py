"""Runs on a Ray cluster: equal to those trained here, whatever becomes of its machines."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.jobs import JobQueue, queue
from lm.jobs.cluster import RayQueue
from lm.jobs.executors import Executor, open_executor
from lm.jobs.sweeps import Sweep, SweepProgress, expand, run_sweep
from lm.runs import Run, RunError, RunStore, is_locked
from lm.runs.prepare import prepare
from lm.training import execute
from tests.lm.jobs.test_jobs import alive

pytest.importorskip("ray", reason="needs Ray: pip install -r requirements-cluster.txt")
from ray.cluster_utils import Cluster

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Ray's test cluster needs POSIX")

# Machines that do not answer are given up after about 2 s instead of half a minute.
IMPATIENT = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2_000,
    "health_check_failure_threshold": 3,
}
SWEEP = Sweep.from_dict(
    {
        "name": "on a cluster",
        "base": {
            "dataset": "known_entropy",
            "data": {"n_chars": 20_000},
            "model": {"context_length": 8, "d_model": 8, "d_ff": 16, "n_heads": 1, "n_layers": 1},
            "steps": 10_000,
            "training": {"batch_size": 2, "optimizer": "muon"},
            "model.dropout": 0.1,
        },
        "axes": {"seed": [0, 1]},
    }
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    head = {"num_cpus": 1, "_system_config": IMPATIENT}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


class Spy(RayQueue):
    """Notes from which checkpoint each run was sent out."""

    def submit(self, run: Run) -> None:
        self.sent = [*getattr(self, "sent", []), (run.run_id, run.reload().status.checkpoint_step)]
        super().submit(run)


def test_a_machine_that_dies_costs_nothing_but_time(cluster, tmp_path):
    """Two machines, one killed: the sweep completes, with the bits of the local executor."""
    configs = expand(SWEEP)
    here, there = RunStore(tmp_path / "here"), RunStore(tmp_path / "there")
    local = JobQueue()
    assert len(run_sweep(configs, here, local).complete) == 2
    local.close()

    machines = [cluster.add_node(num_cpus=1)]
    executor = Spy(cluster.address)

    def kill(progress: SweepProgress) -> None:
        saved = [run for run in progress.training if run.status.checkpoint_step]
        if machines and len(saved) == 2:
            cluster.remove_node(machines.pop(), allow_graceful=False)

    result = run_sweep(configs, there, executor, on_progress=kill)
    executor.close()
    assert not machines
    assert (len(result.complete), result.failed, result.unfinished) == (2, {}, {})
    again = [checkpoint for _, checkpoint in executor.sent if checkpoint]
    assert len(again) == 1
    for run_id in result.complete:
        ours, theirs = here.get(run_id), there.get(run_id)
        assert ours.weights_path.read_bytes() == theirs.weights_path.read_bytes()
        assert (ours.status.valid, ours.status.test) == (theirs.status.valid, theirs.status.test)
        assert [row["train_loss"] for row in ours.rows()] == [
            row["train_loss"] for row in theirs.rows()
        ]


# --- one machine, a cluster started here --------------------------------------------------


@pytest.fixture(scope="module")
def started_here() -> Iterator[Executor]:
    executor = open_executor("ray", workers=1)
    yield executor
    executor.close()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def until_idle(executor: Executor) -> None:
    until(lambda: not executor.waiting() and not executor.active())


def test_a_run_is_paused_through_its_folder_and_resumed(started_here, tmp_path):
    """As from the app, whose Pause leaves a request in the folder."""
    config = expand(SWEEP)[0]
    run = prepare(config, RunStore(tmp_path / "there"))
    waiting = prepare(config, RunStore(tmp_path / "there"))
    started_here.submit(run)
    started_here.submit(waiting)
    with pytest.raises(RunError, match="already"):
        started_here.submit(run)
    until(lambda: run.reload().status.step > 0)
    assert (run.reload().state, is_locked(run.path)) == ("running", True)
    assert (started_here.active(), started_here.waiting()) == ([run.run_id], [waiting.run_id])
    started_here.pause(waiting)
    assert started_here.waiting() == []
    run.request("pause")
    until_idle(started_here)
    paused = run.reload()
    assert paused.state == "paused"
    assert 0 < paused.status.checkpoint_step == paused.status.step < paused.n_steps
    assert not is_locked(run.path)

    started_here.submit(run)
    until_idle(started_here)
    undisturbed = execute(prepare(config, RunStore(tmp_path / "here")))
    assert run.reload().state == "complete"
    assert run.weights_path.read_bytes() == undisturbed.weights_path.read_bytes()
    assert run.samples().equals(undisturbed.samples())


@pytest.mark.parametrize(
    ("request_", "state", "words"),
    [
        (None, "interrupted", "made no progress for more than 3 s and was ended"),
        ("stop", "stopped", "did not answer when it was asked to stop, and was ended"),
    ],
)
def test_a_process_that_hangs_over_there_is_given_up(
    request_, state, words, started_here, monkeypatch, tmp_path
):
    monkeypatch.setattr(queue, "LEAST_GRACE" if request_ else "LEAST_PATIENCE", 3.0)
    run, next_run = (prepare(expand(SWEEP)[0], RunStore(tmp_path)) for _ in range(2))
    started_here.submit(run)
    until(lambda: bool(run.reload().status.checkpoint_step))
    processes = ["pgrep", "-f", f"^ray::{run.run_id}"]
    (pid,) = subprocess.run(processes, capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(pid), signal.SIGSTOP)
    if request_:
        run.request(request_)
    else:
        started_here.submit(next_run)
    until_idle(started_here)
    until(lambda: not alive(int(pid)))
    given_up = run.reload()
    assert given_up.state == state
    assert words in given_up.reason
    assert started_here.error(run) == given_up.status.reason
    assert request_ or next_run.reload().state == "complete"


def test_the_corpus_goes_along(started_here, tmp_path):
    """A text that exists nowhere any more once its run is sent out."""
    text = tmp_path / "mine.txt"
    text.write_text("what I wrote, and what I wrote again\n" * 60)
    base = {"text": str(text), "architecture": "linear", "steps": 30, "model.context_length": 4}
    configs = expand(Sweep.from_dict({"name": "mine", "base": base, "axes": {"seed": [0, 1]}}))
    runs = [prepare(config, RunStore(tmp_path / "runs")) for config in configs]
    assert started_here.most_threads() == n_cores()
    for run in runs:
        started_here.submit(run)
    until(lambda: runs[0].reload().state != "created")  # sent out
    text.unlink()
    until_idle(started_here)
    assert [run.reload().state for run in runs] == ["complete", "complete"]


def test_a_failure_over_there_is_a_sentence_here(started_here, tmp_path):
    bad = {"architecture": "mlp", "model.context_length": 4, "steps": 60, "training.batch_size": 2}
    bad |= {f"training.{name}": value for name, value in (("optimizer", "sgd"), ("grad_clip", 0))}
    bad |= {"training.learning_rate": 100, "dataset": "known_entropy", "data.n_chars": 3_000}
    (config,) = expand(Sweep(name="bad", base=bad))
    run = prepare(config, RunStore(tmp_path / "runs"))
    started_here.submit(run)
    until_idle(started_here)
    assert run.reload().state == "failed"
    assert "Lower the learning rate" in started_here.error(run)
    assert started_here.error(run) == run.reload().reason


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "No Ray cluster answers at '127.0.0.1:1'"),
        ("ray://somewhere:10001", "ray-address must be auto, or HOST:PORT"),
        ("somewhere", "ray-address must be auto, or HOST:PORT"),
    ],
)
def test_an_address_where_no_cluster_is_is_one_sentence(address, words):
    with pytest.raises(ConfigError, match=words):
        open_executor("ray", ray_address=address)
