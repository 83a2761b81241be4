"""Runs on a Ray cluster: equal to those trained here, whatever becomes of its machines."""

import os
from collections.abc import Iterator

import pytest

from lm.jobs import JobQueue
from lm.jobs.cluster import RayQueue
from lm.runs import Run, RunStore
from lm.sweep import Sweep, SweepProgress, expand, run_sweep

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
            "steps": 1_200,
            "training": {"batch_size": 2, "optimizer": "muon"},
            "model.dropout": 0.1,
        },
        "axes": {"seed": [0, 1, 2]},
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
    queue = JobQueue()
    assert len(run_sweep(configs, here, queue).complete) == 3
    queue.close()

    machines = [cluster.add_node(num_cpus=1)]
    executor = Spy(cluster.address)

    def kill(progress: SweepProgress) -> None:
        saved = [run for run in progress.training if run.status.checkpoint_step]
        if machines and len(saved) == 2:
            cluster.remove_node(machines.pop(), allow_graceful=False)

    result = run_sweep(configs, there, executor, on_progress=kill)
    executor.close()
    assert not machines
    assert (len(result.complete), result.failed, result.unfinished) == (3, {}, {})
    again = [checkpoint for _, checkpoint in executor.sent if checkpoint]
    assert len(again) == 1
    for run_id in result.complete:
        ours, theirs = here.get(run_id), there.get(run_id)
        assert ours.weights_path.read_bytes() == theirs.weights_path.read_bytes()
        assert (ours.status.valid, ours.status.test) == (theirs.status.valid, theirs.status.test)
        assert [row["train_loss"] for row in ours.rows()] == [
            row["train_loss"] for row in theirs.rows()
        ]
