"""Training: what is learned from, in which order, and that stopping changes nothing."""

import itertools
import math

import numpy as np
import pytest
import torch

from lm.architectures import build_model
from lm.architectures.shared import products
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.training import loop
from lm.training.batches import Batches, loss_of
from lm.training.engines.eager import Eager
from lm.training.loop import NonFiniteLossError, Training, record_interval
from lm.updates.config import TrainingConfig
from lm.updates.muon_rule import MuonOptimizer
from lm.updates.optimizers import build_optimizers
from lm.updates.schedules import lr_scale
from tests.lm.architectures.test_models import SMALL, every_architecture

# linear has no hidden matrix for muon; test_config shows that it is refused
every_pair = pytest.mark.parametrize(
    ("architecture", "optimizer"),
    [
        (architecture, optimizer)
        for architecture in SMALL
        for optimizer in ("adamw", "sgd", "muon")
        if (architecture, optimizer) != ("linear", "muon")
    ],
)
STREAM = torch.randint(11, (3_000,), generator=torch.Generator().manual_seed(1))


def begin(config, **training):
    run = RunConfig(
        data=DataConfig(), model=config, training=TrainingConfig(**{"steps": 12, **training})
    )
    return Training(Eager(build_model(config, 11, run.training.seed), run, STREAM))


def records_of(training) -> list:
    return [record for records in training.run() for record in records]


def losses_of(training) -> list[float]:
    return [record.train_loss for record in records_of(training)]


def rows_of(batch) -> torch.Tensor:
    parts = [batch.inputs, batch.targets[:, -1:]]
    return torch.cat(parts if batch.before is None else [batch.before, *parts], dim=1)


# --- data order -------------------------------------------------------------------------------


def test_rows_are_consecutive_tokens_and_targets_follow():
    stream = torch.arange(100)
    batch = Batches(stream, lookback=4, row_length=6, seed=0)(0, 5, 6)
    rows = rows_of(batch)
    assert rows.shape == (5, 11)
    assert (rows.diff(dim=1) == 1).all()
    assert torch.equal(batch.targets, batch.inputs + 1)
    assert torch.equal(batch.before[:, -1] + 1, batch.inputs[:, 0])


def test_an_epoch_predicts_no_token_twice_and_leaves_out_less_than_two_rows():
    stream, length = torch.arange(1_000), 7
    for lookback in (0, 3):
        batches = Batches(stream, lookback, length, seed=3)
        predicted = batches(0, batches.rows_per_epoch, length).targets.flatten()
        assert len(predicted.unique()) == len(predicted)
        assert len(predicted) > len(stream) - 2 * length - lookback


def test_epochs_differ_and_order_depends_on_seed_and_place_alone():
    first = Batches(STREAM, 0, 8, seed=0)
    again = Batches(STREAM, 0, 8, seed=0)
    far = first.rows_per_epoch * 3 + 5
    ahead = again(far, 4, 8)
    for row in range(0, far, 4):
        first(row, 4, 8)
    assert torch.equal(first(far, 4, 8).inputs, ahead.inputs)
    assert not torch.equal(first(0, 4, 8).inputs, Batches(STREAM, 0, 8, seed=1)(0, 4, 8).inputs)
    epoch = first.rows_per_epoch
    assert not torch.equal(first(0, 4, 8).inputs, first(epoch, 4, 8).inputs)


def test_a_text_shorter_than_a_row_is_refused_with_its_length():
    with pytest.raises(ValueError, match=r"at least 13 tokens.*Received: 12"):
        Batches(torch.zeros(12, dtype=torch.long), lookback=4, row_length=8, seed=0)
    one = Batches(torch.arange(13), lookback=4, row_length=8, seed=0)
    assert one(0, 3, 8).inputs.shape == (3, 8)


# --- losses -----------------------------------------------------------------------------------


@every_architecture
def test_last_position_learns_from_the_last_token_of_a_row(config):
    model = build_model(config.replace(initialization="pytorch"), 11)
    batch = Batches(STREAM, model.config.lookback, 6, seed=0)(0, 5, 6)
    rows = rows_of(batch)
    log_probabilities = model(rows[:, :-1])[:, -1].log_softmax(-1)
    expected = -log_probabilities.gather(1, rows[:, -1:]).mean()
    assert torch.allclose(loss_of(model, batch, "last_position"), expected, atol=1e-6)


@every_architecture
def test_all_positions_is_the_mean_over_every_prediction(config):
    model = build_model(config.replace(initialization="pytorch"), 11)
    batch = Batches(STREAM, model.config.lookback, 6, seed=0)(0, 5, 6)
    rows = rows_of(batch)
    logits = model(rows[:, :-1])[:, model.config.lookback :]
    nats = -logits.log_softmax(-1).gather(2, batch.targets[..., None])
    assert torch.allclose(loss_of(model, batch, "all_positions"), nats.mean(), atol=1e-5)


@every_pair
def test_every_optimizer_learns(architecture, optimizer):
    config = SMALL[architecture]
    rate = 0.3 if optimizer == "sgd" else 0.02
    training = TrainingConfig(steps=80, optimizer=optimizer, learning_rate=rate)
    run = RunConfig(data=DataConfig(), model=config, training=training)
    model = build_model(config, 11)
    cycle = torch.arange(11).repeat(300)  # each token is known from the one before
    batches = Batches(cycle, model.config.lookback, 5, seed=0)

    def loss() -> float:
        return loss_of(model.eval(), batches(0, 20, 5), "all_positions").item()

    before = loss()
    list(Training(Eager(model, run, cycle)).run())
    assert loss() < 0.5 * before


def test_weight_decay_spares_vectors():
    model = build_model(SMALL["transformer"].replace(bias=True), 11)
    (optimizer,) = build_optimizers(model, TrainingConfig(steps=1, weight_decay=0.3))
    for group in optimizer.param_groups:
        ndims = {min(p.ndim, 2) for p in group["params"]}
        assert ndims == ({2} if group["weight_decay"] else {1})


def test_muon_takes_hidden_matrices_and_adamw_the_rest():
    model = build_model(SMALL["transformer"], 11)
    muon, adamw = build_optimizers(model, TrainingConfig(steps=1, optimizer="muon"))
    assert isinstance(muon, MuonOptimizer)
    named = {id(p): name for name, p in model.named_parameters()}
    names = [named[id(p)] for group in muon.param_groups for p in group["params"]]
    assert all(name.startswith("blocks.") and "norm" not in name for name in names)
    assert len(names) == 2 * 4
    rest = [named[id(p)] for group in adamw.param_groups for p in group["params"]]
    assert {"embedding.weight", "head.weight"} <= set(rest)
    assert len(names) + len(rest) == len(named)


# --- schedules --------------------------------------------------------------------------------


def scales(n_steps: int = 100, **training) -> np.ndarray:
    config = TrainingConfig(steps=n_steps, **training)
    return np.array([lr_scale(config, step, n_steps) for step in range(1, n_steps + 1)])


def test_schedules():
    constant = scales(schedule="constant", warmup_fraction=0.1)
    assert (np.diff(constant[:10]) > 0).all()
    assert (constant[10:] == 1).all()
    linear = scales(schedule="linear", warmup_fraction=0.0)
    assert np.allclose(np.diff(linear), -1 / 101)
    assert 0 < linear[-1] < 0.02
    cosine = scales(schedule="cosine", warmup_fraction=0.0, final_lr_fraction=0.1)
    assert cosine[49] == pytest.approx(0.55, abs=0.02)
    assert cosine[-1] == pytest.approx(0.1, abs=0.001)
    wsd = scales(schedule="wsd", warmup_fraction=0.1, decay_fraction=0.2)
    assert (wsd[10:80] == 1).all()
    assert (np.diff(wsd[79:]) < 0).all()
    for values in (constant, linear, cosine, wsd, scales(1), scales(2, warmup_fraction=0.9)):
        assert ((values > 0) & (values <= 1)).all()


# --- the generator ----------------------------------------------------------------------------


@every_architecture
def test_records_are_cumulative_and_complete(config):
    training = begin(config)
    rows = records_of(training)
    assert [row.step for row in rows] == list(range(1, 13))
    assert rows[0].train_loss == pytest.approx(math.log(11), abs=0.1)
    assert rows[-1].tokens == 12 * 16 * config.context_length
    for before, after in itertools.pairwise(rows):
        assert before.flops < after.flops
        assert before.seconds < after.seconds
    assert training.engine.step == 12


def test_long_runs_record_their_first_steps_and_then_means(monkeypatch):
    rows = records_of(begin(SMALL["linear"], steps=1_250))
    assert record_interval(1_250) == 3
    assert [row.step for row in rows] == [*range(1, 51), *range(51, 1_250, 3), 1_250]
    monkeypatch.setattr(loop, "RECORDS_PER_RUN", 1_250)
    losses = losses_of(begin(SMALL["linear"], steps=1_250))
    assert [row.train_loss for row in rows[:50]] == losses[:50]
    for before, row in itertools.pairwise(rows[50:80]):
        assert row.train_loss == pytest.approx(np.mean(losses[before.step : row.step]), rel=1e-12)


@every_pair
@pytest.mark.parametrize("products_of", ["small float32", "large float32", "large bfloat16"])
def test_a_stopped_training_continues_bit_for_bit(
    architecture, optimizer, products_of, monkeypatch
):
    size, precision = products_of.split()
    if size == "large":
        monkeypatch.setattr(products, "LARGE_PRODUCT", 0)
    config = SMALL[architecture]
    if architecture != "linear":
        config = config.replace(dropout=0.2)
    settings = {"optimizer": optimizer, "precision": precision}
    undisturbed = begin(config, **settings)
    expected = losses_of(undisturbed)
    first = begin(config, **settings)
    calls = first.run()
    losses = [next(calls)[0].train_loss for _ in range(5)]
    tensors = {name: tensor.clone() for name, tensor in first.tensors().items()}
    list(calls)  # the first goes on; what was saved must not change with it
    torch.manual_seed(99)
    resumed = begin(config, **settings)
    resumed.load_tensors(tensors)
    assert losses + losses_of(resumed) == expected
    own = resumed.engine.weights()
    assert all(torch.equal(own[n], tensor) for n, tensor in undisturbed.engine.weights().items())


def test_a_stop_between_records_loses_no_loss():
    records = records_of(begin(SMALL["linear"], steps=1_500))
    expected = [record.train_loss for record in records if record.step > 60]
    stopped = begin(SMALL["linear"], steps=1_500)
    calls = stopped.run()
    while stopped.engine.step < 61:
        next(calls)
    assert len(stopped.losses) == 1
    tensors = {name: tensor.clone() for name, tensor in stopped.tensors().items()}
    resumed = begin(SMALL["linear"], steps=1_500)
    resumed.load_tensors(tensors)
    assert losses_of(resumed) == expected


def test_the_seed_makes_the_curve():
    curves = [losses_of(begin(SMALL["mlp"], seed=s)) for s in (0, 0, 1)]
    assert curves[0] == curves[1] != curves[2]


def test_a_non_finite_loss_names_its_step():
    training = begin(SMALL["transformer"])
    calls = training.run()
    for _ in range(4):
        next(calls)
    with torch.no_grad():
        training.engine.model.head.weight.fill_(math.nan)
    with pytest.raises(NonFiniteLossError, match="nan at step 5"):
        next(calls)
