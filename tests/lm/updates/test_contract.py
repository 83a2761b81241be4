"""What every optimizer and every schedule must do: those of the program, and one that is added."""

import pytest
import torch

from lm.architectures import build_model, modules
from lm.base.settings import ConfigError, settings
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.training.engines.eager import Eager
from lm.training.loop import Training
from lm.training.meter import measured_step_flops
from lm.updates import SCHEDULES, UPDATES
from lm.updates.config import TrainingConfig
from lm.updates.optimizers import build_optimizers, set_learning_rate
from lm.updates.schedules import lr_scale
from tests.lm.architectures.test_models import SMALL
from tests.lm.toys.training import SIGN_SGD, STAIRS

MODEL, VOCAB_SIZE = SMALL["mlp"], 11
STREAM = torch.arange(600) % VOCAB_SIZE
OPTIMIZERS = [*UPDATES, SIGN_SGD.name]
SCHEDULE_NAMES = [*SCHEDULES, STAIRS.name]


@pytest.fixture(autouse=True)
def _with_toys():
    with UPDATES.including(SIGN_SGD), SCHEDULES.including(STAIRS):
        yield


def start(training: TrainingConfig) -> Training:
    run = RunConfig(data=DataConfig(), model=MODEL, training=training)
    return Training(Eager(build_model(MODEL, VOCAB_SIZE), run, STREAM))


# --- optimizers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_every_parameter_once_at_its_peak(name):
    model = build_model(MODEL, VOCAB_SIZE)
    training = TrainingConfig(steps=1, optimizer=name, learning_rate=0.02, weight_decay=0.3)
    optimizers = build_optimizers(model, training)
    held = [p for o in optimizers for group in o.param_groups for p in group["params"]]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))
    groups = [group for o in optimizers for group in o.param_groups]
    assert all(group["peak_lr"] == group["lr"] > 0 for group in groups)
    rate = set_learning_rate(optimizers, 0.5)
    assert rate == groups[0]["lr"] == 0.5 * groups[0]["peak_lr"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_learns(name):
    training = TrainingConfig(steps=150, optimizer=name, learning_rate=0.02, batch_size=8)
    records = [record for records in start(training).run() for record in records]
    assert records[-1].train_loss < 0.7 * records[0].train_loss


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_products_are_counted(name):
    training = TrainingConfig(steps=1, optimizer=name)
    shape = {"batch_size": 2, "sequence_length": 5}
    formula = step_flops(MODEL, VOCAB_SIZE, **shape, optimizer=name)
    assert measured_step_flops(MODEL, VOCAB_SIZE, training, **shape) == formula


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_state_resumes_bit_for_bit(name):
    training = TrainingConfig(steps=12, optimizer=name, learning_rate=0.02)
    training = start(training)
    calls = training.run()
    while training.engine.step < 5:
        next(calls)
    saved = {key: tensor.clone() for key, tensor in training.tensors().items()}
    list(calls)
    again = start(training.engine.training)
    again.load_tensors(saved)
    list(again.run())
    expected = training.engine.weights()
    assert all(torch.equal(expected[n], own) for n, own in again.engine.weights().items())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_settings_are_settings_of_training(name):
    assert UPDATES[name].settings <= set(settings(TrainingConfig))


def weights_after(name: str, **values: float) -> torch.Tensor:
    """All weights after four steps."""
    given = {"steps": 4, "optimizer": name, "learning_rate": 0.02, **values}
    training = start(TrainingConfig(**given))
    list(training.run())
    return torch.cat([weight.flatten() for weight in training.engine.weights().values()])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_an_optimizer_reads_is_what_applies_and_no_more(name):
    by_name = settings(TrainingConfig)
    for setting in {"weight_decay"}.union(*(update.settings for update in UPDATES.values())):
        reads = setting in UPDATES[name].settings
        assert by_name[setting].applies({"optimizer": name, "schedule": "linear"}) == reads
        if by_name[setting].kind == "float":
            one, other = (weights_after(name, **{setting: value}) for value in (0.1, 0.6))
            changed = not torch.equal(one, other)
            assert changed == reads, f"{name}.settings must name {setting} if it reads it"


def test_an_optimizer_that_cannot_train_a_model_is_refused_in_a_sentence():
    assert UPDATES["muon"].refuses(modules(MODEL, VOCAB_SIZE)) is None
    with pytest.raises(ConfigError, match=r"must be adamw, sgd.* or signsgd for linear, which has"):
        RunConfig(
            data=DataConfig(),
            model=SMALL["linear"],
            training=TrainingConfig(steps=1, optimizer="muon"),
        )


def test_an_unknown_optimizer_names_those_there_are():
    with pytest.raises(ConfigError, match=r"optimizer must be one of adamw, sgd, muon, .*signsgd"):
        TrainingConfig(steps=1, optimizer="no such rule")
    with pytest.raises(ConfigError, match=r"schedule must be one of .*, wsd, stairs"):
        TrainingConfig(steps=1, schedule="zigzag")


# --- schedules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
@pytest.mark.parametrize("n_steps", [1, 2, 7, 300])
def test_a_schedule_warms_up_and_stays_within_its_peak(name, n_steps):
    training = TrainingConfig(steps=n_steps, schedule=name, warmup_fraction=0.2)
    shares = [lr_scale(training, step, n_steps) for step in range(1, n_steps + 1)]
    assert all(0 < share <= 1 for share in shares)
    n_warmup = round(0.2 * n_steps)
    assert shares[:n_warmup] == sorted(shares[:n_warmup])
    after = shares[n_warmup:]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_what_a_schedule_reads_is_what_applies(name):
    schedule, by_name = SCHEDULES[name], settings(TrainingConfig)
    values = {"schedule": name, "optimizer": "adamw"}
    for setting, reads in (
        ("final_lr_fraction", schedule.decays),
        ("decay_fraction", schedule.late),
    ):
        assert by_name[setting].applies(values) == reads
        ends = [
            lr_scale(TrainingConfig(steps=100, schedule=name, **{setting: value}), 95, 100)
            for value in (0.1, 0.6)
        ]
        assert (ends[0] != ends[1]) == reads
