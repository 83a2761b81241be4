"""Updating the rows that a step reads is AdamW on every row, to rounding."""

import pytest
import torch

from lm.architectures import build_model
from lm.architectures.shared.model import weights
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.training.device import threads
from lm.training.evaluation import sampled_loss
from lm.training.loop import Batches, TrainingState, train
from lm.training.parallel import can_fork
from lm.updates import SCHEDULES
from lm.updates.config import TrainingConfig
from lm.updates.optimizers import build_optimizers
from tests.lm.architectures.test_models import SMALL
from tests.lm.toys.training import STAIRS

# most of its 2 x 997 rows are read now and then, with many steps between
MODEL = SMALL["mlp"].replace(context_length=4, ngram_order=3, ngram_rows=997, ngram_width=4)
TABLE = "ngram_embedding.weight"
VOCAB_SIZE = 40
STREAM = (torch.rand(3_000, generator=torch.Generator().manual_seed(0)) ** 3 * VOCAB_SIZE).long()


@pytest.fixture(autouse=True)
def _one_thread():
    with threads(1):
        yield


def start(how, n_processes=1, model=MODEL, exactly=True, **settings):
    values = {"steps": 300, "batch_size": 2, "weight_decay": 0.3, "grad_clip": 0.5, **settings}
    training = TrainingConfig(**values, table_update=how)
    run = RunConfig(data=DataConfig(), model=model, training=training)
    steps = plan(run, VOCAB_SIZE, len(STREAM))
    network = build_model(model, VOCAB_SIZE, training.seed)
    if exactly:  # or rounding decides where entries go whose gradients nearly cancel
        network.double()
    optimizers = build_optimizers(network, training, steps.n_steps)
    state = TrainingState(model=network, optimizers=optimizers)
    batches = Batches(STREAM, model.lookback, run.sequence_length, seed=training.seed)
    return state, train(state, batches, training, steps, n_processes)


def trained(how, **settings):
    state, records = start(how, **settings)
    losses = [record.train_loss for record in records if record]
    return state.weights(), losses


@pytest.mark.parametrize("schedule", [*SCHEDULES, STAIRS.name])
def test_without_epsilon_it_is_adamw_on_every_row(schedule, monkeypatch):
    for module in ("adamw_rule", "table_rule"):
        monkeypatch.setattr(f"lm.updates.{module}.EPSILON", 1e-20)
    with SCHEDULES.including(STAIRS):
        expected, losses = trained("every_row", schedule=schedule)
        ours, our_losses = trained("touched_rows", schedule=schedule)
    assert min(losses) < losses[0] - 0.3
    assert our_losses == pytest.approx(losses, abs=1e-10)
    for name, weight in expected.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_with_epsilon_it_is_to_a_fraction_of_what_a_seed_changes(optimizer, dropout):
    settings = {"optimizer": optimizer, "model": MODEL.replace(ngram_dropout=dropout)}
    settings |= {"beta1": 0.8, "beta2": 0.95, "warmup_fraction": 0.3, "adamw_learning_rate": 0.02}
    if optimizer == "adamw":
        settings.pop("adamw_learning_rate")
    _, losses = trained("every_row", **settings)
    _, our_losses = trained("touched_rows", **settings)
    assert our_losses[:50] == pytest.approx(losses[:50], abs=1e-3)
    assert our_losses == pytest.approx(losses, abs=1e-2)
    _, of_another_seed = trained("every_row", **settings, seed=1)
    assert abs(of_another_seed[-1] - losses[-1]) > 0.1


def test_without_the_tail_it_would_not_be():
    state, records = start("touched_rows")
    (rows,) = state.optimizers[1:]
    rows.tail.moved.ahead[:] = 0  # as under a lazy AdamW, rows wait where they are
    lazy = [record.train_loss for record in records if record]
    _, losses = trained("every_row")
    assert abs(lazy[-1] - losses[-1]) > 1e-3


def test_rows_lag_until_they_are_read_saved_or_scored():
    state, records = start("touched_rows")
    dense, dense_records = start("every_row")
    for _ in range(100):
        next(records), next(dense_records)
    expected = weights(dense.model)[TABLE]
    raw = weights(state.model)[TABLE]
    assert ((raw - expected).abs().amax(1) > 1e-2).sum() > 50
    torch.testing.assert_close(state.weights()[TABLE], expected, rtol=1e-3, atol=5e-4)
    ours = sampled_loss(state.model, STREAM, 1_000)
    assert ours == pytest.approx(sampled_loss(dense.model, STREAM, 1_000), abs=1e-4)
    assert torch.equal(weights(state.model)[TABLE], raw)  # looking changes nothing
    list(records), state.settle()
    assert torch.equal(weights(state.model)[TABLE], state.weights()[TABLE])


@pytest.mark.parametrize("paused_after", [1, 2, 17, 299])
def test_it_resumes_bit_for_bit(paused_after):
    whole, records = start("touched_rows")
    list(records)
    state, records = start("touched_rows")
    for _ in range(paused_after):
        next(records)
    saved = {name: tensor.clone() for name, tensor in state.tensors().items()}
    again, rest = start("touched_rows")
    again.load_tensors(saved)
    list(rest)
    for name, tensor in whole.tensors().items():
        if name != "seconds":
            assert torch.equal(again.tensors()[name], tensor), name


@pytest.mark.skipif(not can_fork(torch.device("cpu")), reason="Elsewhere a run has threads alone.")
@pytest.mark.parametrize("n_processes", [2, 3])
def test_several_processes_train_what_one_does(n_processes):
    settings = {"batch_size": 5, "steps": 60, "exactly": False}  # they share float32
    state, records = start("touched_rows", n_processes, **settings)
    losses = [record.train_loss for record in records]
    alone, expected = trained("touched_rows", **settings)
    assert losses == pytest.approx(expected, abs=1e-4)
    torch.testing.assert_close(state.weights()[TABLE], alone[TABLE], rtol=1e-2, atol=1e-3)
    again, records = start("touched_rows", n_processes, **settings)
    list(records)
    assert torch.equal(again.weights()[TABLE], state.weights()[TABLE])


@pytest.mark.parametrize("settings", [{"model": SMALL["mlp"]}, {"optimizer": "sgd"}])
def test_without_tables_or_adamw_there_is_nothing_to_touch(settings):
    expected, _ = trained("every_row", steps=5, **settings)
    ours, _ = trained("touched_rows", steps=5, **settings)
    assert all(torch.equal(ours[name], weight) for name, weight in expected.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta1": 0.95, "beta2": 0.9}, r"beta1 must be less than beta2 .*0\.95, beta2=0\.9"),
        ({"learning_rate": 2.0, "weight_decay": 0.5}, r"must be less than 1.*Received: 0\.5 and 2"),
    ],
)
def test_what_it_cannot_do_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(steps=1, table_update="touched_rows", **settings)
