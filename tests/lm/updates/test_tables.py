"""Updating the rows that a step reads is AdamW on every row, to rounding."""

import pytest
import torch

from lm.architectures import build_model
from lm.architectures.shared.model import weights
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.training.device import threads
from lm.training.engines.divided import Divided, can_fork
from lm.training.engines.eager import Eager
from lm.training.evaluation import sampled_loss
from lm.training.loop import Training
from lm.updates import SCHEDULES
from lm.updates.config import TrainingConfig
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
    network = build_model(model, VOCAB_SIZE, training.seed)
    if exactly:  # or rounding decides where entries go whose gradients nearly cancel
        network.double()
    if n_processes > 1:
        return Training(Divided(network, run, STREAM, n_processes))
    return Training(Eager(network, run, STREAM))


def losses_of(training):
    return [record.train_loss for records in training.run() for record in records]


def trained(how, **settings):
    training = start(how, **settings)
    losses = losses_of(training)
    return training.engine.weights(), losses


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
    training = start("touched_rows")
    (rows,) = training.engine.optimizers[1:]
    rows.tail.moved.to_the_end[:] = 0  # as under a lazy AdamW, rows wait where they are
    lazy = losses_of(training)
    _, losses = trained("every_row")
    assert abs(lazy[-1] - losses[-1]) > 1e-3


def test_rows_lag_until_they_are_read_saved_or_scored():
    touched, dense = start("touched_rows").engine, start("every_row").engine
    for _ in range(100):
        touched.take(1), dense.take(1)
    expected = weights(dense.model)[TABLE]
    raw = weights(touched.model)[TABLE]
    assert ((raw - expected).abs().amax(1) > 1e-2).sum() > 50
    torch.testing.assert_close(touched.weights()[TABLE], expected, rtol=1e-3, atol=5e-4)
    ours = sampled_loss(touched.model, STREAM, 1_000)
    assert ours == pytest.approx(sampled_loss(dense.model, STREAM, 1_000), abs=1e-4)
    assert torch.equal(weights(touched.model)[TABLE], raw)  # looking changes nothing
    while touched.step < touched.plan.n_steps:
        touched.take(1)
    assert torch.equal(weights(touched.model)[TABLE], touched.weights()[TABLE])


@pytest.mark.parametrize("paused_after", [1, 2, 17, 299])
def test_it_resumes_bit_for_bit(paused_after):
    whole = start("touched_rows")
    list(whole.run())
    paused = start("touched_rows")
    calls = paused.run()
    for _ in range(paused_after):
        next(calls)
    saved = {name: tensor.clone() for name, tensor in paused.tensors().items()}
    again = start("touched_rows")
    again.load_tensors(saved)
    list(again.run())
    for name, tensor in whole.tensors().items():
        if name != "seconds":
            assert torch.equal(again.tensors()[name], tensor), name


@pytest.mark.skipif(not can_fork(torch.device("cpu")), reason="Elsewhere a run has threads alone.")
@pytest.mark.parametrize("n_processes", [2, 3])
def test_several_processes_train_what_one_does(n_processes):
    settings = {"batch_size": 5, "steps": 60, "exactly": False}  # they share float32
    ours, losses = trained("touched_rows", n_processes=n_processes, **settings)
    alone, expected = trained("touched_rows", **settings)
    assert losses == pytest.approx(expected, abs=1e-4)
    torch.testing.assert_close(ours[TABLE], alone[TABLE], rtol=1e-2, atol=1e-3)
    again, _ = trained("touched_rows", n_processes=n_processes, **settings)
    assert torch.equal(again[TABLE], ours[TABLE])


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
