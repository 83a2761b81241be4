"""Several processes train as one does, and leave with it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lm.architectures import build_model
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.training.batches import Batches, loss_of
from lm.training.engines.divided import Divided, HelperError, can_fork
from lm.training.engines.eager import Eager
from lm.training.loop import Training
from lm.updates.config import TrainingConfig
from tests.lm.architectures.test_models import SMALL, every_architecture

pytestmark = pytest.mark.skipif(
    not can_fork(torch.device("cpu")), reason="Elsewhere a run has threads, and no processes."
)
STREAM = torch.randint(11, (500,), generator=torch.Generator().manual_seed(0))


def start(config, n_processes, **settings):
    training = TrainingConfig(**{"steps": 5, "batch_size": 5, **settings})
    run = RunConfig(data=DataConfig(), model=config, training=training)
    model = build_model(config, 11)
    if n_processes == 1:
        return Training(Eager(model, run, STREAM))
    return Training(Divided(model, run, STREAM, n_processes))


def trained(config, n_processes, **settings):
    training = start(config, n_processes, **settings)
    losses = [record.train_loss for records in training.run() for record in records]
    return training.engine.weights(), losses


@every_architecture
@pytest.mark.parametrize("n_processes", [2, 3])
def test_they_train_what_one_process_does(config, n_processes):
    ours, our_losses = trained(config, n_processes)
    alone, losses = trained(config, 1)
    assert our_losses == pytest.approx(losses, abs=1e-5)
    for name, weight in alone.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("config", [SMALL["transformer"].replace(dropout=0.3)], ids=["dropout"])
def test_the_same_number_gives_the_same_bits_also_after_a_pause(config):
    whole, _ = trained(config, 2)
    paused = start(config, 2)
    calls = paused.run()
    next(calls), next(calls)
    calls.close()
    tensors = {name: tensor.clone() for name, tensor in paused.tensors().items()}
    resumed = start(config, 2)
    resumed.load_tensors(tensors)
    assert len(list(resumed.run())) == 3
    for name, weight in whole.items():
        assert torch.equal(resumed.engine.weights()[name], weight), name


def test_each_part_has_a_dropout_of_its_own():
    config = SMALL["mlp"].replace(dropout=0.5, initialization="pytorch")
    stream = torch.zeros(500, dtype=torch.long)  # all rows are alike

    def loss_of_first_step(n_processes, seed):
        training = TrainingConfig(steps=1, batch_size=2, seed=seed)
        run = RunConfig(data=DataConfig(), model=config, training=training)
        engine = Divided(build_model(config, 11), run, stream, n_processes)
        ((record,),) = Training(engine).run()
        return record.train_loss

    def loss_of_row(seed):
        model = build_model(config, 11).train()
        torch.manual_seed(seed)
        batch = Batches(stream, model.config.lookback, config.context_length, seed=0)
        return float(loss_of(model, batch(0, 1, config.context_length), "all_positions").detach())

    rows = [loss_of_row((7 << 32) + (i << 24) + 1) for i in range(2)]
    assert rows[0] != pytest.approx(rows[1], abs=1e-3)
    assert loss_of_first_step(2, seed=7) == pytest.approx(sum(rows) / 2, abs=1e-5)


def test_there_are_no_more_processes_than_rows():
    before = children()
    calls = start(SMALL["linear"], 9, batch_size=3).run()
    next(calls)
    assert len(children() - before) == 2
    calls.close()


def test_a_part_without_rows_adds_nothing():
    """As where the last step of a plan has fewer rows than there are processes."""
    ends = []
    for n_processes in (1, 3):
        training = start(SMALL["transformer"], n_processes)
        training.engine.plan = replace(training.engine.plan, last_shape=(1, 7))
        *_, (last,) = training.run()
        ends.append(last.train_loss)
    assert ends[0] == pytest.approx(ends[1], abs=1e-5)


def children() -> set[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return {int(pid) for pid in path.read_text().split()}


def test_they_end_with_the_training():
    before = children()
    calls = start(SMALL["linear"], 3).run()
    next(calls)
    assert len(children() - before) == 2
    calls.close()
    assert children() == before


def test_what_fails_in_a_process_is_said(monkeypatch):
    part = Divided.part

    def failing(self, step, i):
        if i:
            raise ValueError("no such row")
        return part(self, step, i)

    monkeypatch.setattr(Divided, "part", failing)
    with pytest.raises(HelperError, match="ValueError: no such row"):
        list(start(SMALL["linear"], 2).run())


def test_a_process_that_is_killed_stops_the_training():
    before = children()
    calls = start(SMALL["transformer"], 2).run()
    next(calls)
    (helper,) = children() - before
    os.kill(helper, signal.SIGKILL)
    with pytest.raises(HelperError, match=f"Process {helper}.*has ended"):
        list(calls)
    assert children() == before


def test_they_end_when_the_training_is_killed():
    script = """
from tests.lm.training.engines.test_divided import SMALL, children, start
calls = start(SMALL["linear"], 3).run()
next(calls)
print(*children(), flush=True)
while True:
    pass
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        helpers = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    assert len(helpers) == 2
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in helpers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in helpers)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
