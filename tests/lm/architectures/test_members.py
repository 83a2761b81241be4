"""Several models as one: they learn apart, and predict the mean of their probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lm.architectures import build_decoder, build_model, modules, n_params
from lm.architectures.shared.members_model import Members
from lm.architectures.shared.model import weights
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.training.engines.eager import Eager
from lm.training.evaluation import token_nats
from lm.training.loop import Training
from lm.training.meter import measured_step_flops
from lm.updates.config import TrainingConfig
from tests.lm.architectures.test_models import SMALL

VOCAB_SIZE = 11


def several(name: str, members: int = 3, **changes: object):
    return SMALL[name].replace(members=members, initialization="pytorch", **changes)


@pytest.mark.parametrize("name", SMALL)
def test_its_probabilities_are_the_mean_of_its_members(name: str):
    model = build_model(several(name), VOCAB_SIZE)
    assert isinstance(model, Members)
    model.eval()
    rows = torch.randint(VOCAB_SIZE, (2, 5))
    with torch.no_grad():
        each = torch.stack([member(rows).softmax(-1) for member in model.members])
        assert (each[0] - each[1]).abs().max() > 1e-3
        torch.testing.assert_close(model(rows).exp(), each.mean(0))
    targets = np.arange(40) % VOCAB_SIZE
    nats = token_nats(model, targets)
    worst = np.mean([token_nats(member, targets).mean() for member in model.members])
    assert nats.mean() < worst  # by Jensen's inequality


@pytest.mark.parametrize("name", SMALL)
def test_its_parts_and_flops_are_those_of_its_members(name: str):
    one, three = several(name, 1), several(name)
    assert n_params(three, VOCAB_SIZE) == 3 * n_params(one, VOCAB_SIZE)
    shape = {"batch_size": 2, "sequence_length": 5}
    training = TrainingConfig(steps=1)
    cost = step_flops(three, VOCAB_SIZE, **shape)
    assert cost.total == 3 * step_flops(one, VOCAB_SIZE, **shape).total
    assert measured_step_flops(three, VOCAB_SIZE, training, **shape) == cost
    parameters = dict(build_model(three, VOCAB_SIZE).named_parameters())
    assert sum(each.numel() for each in parameters.values()) == n_params(three, VOCAB_SIZE)
    parts = {part.name for part in modules(three, VOCAB_SIZE)}
    assert {name.rpartition(".")[0] for name in parameters} <= parts


@pytest.mark.parametrize("name", SMALL)
def test_it_writes_as_it_predicts(name: str):
    model = build_model(several(name), VOCAB_SIZE).eval()
    arrays = {name: tensor.numpy() for name, tensor in weights(model).items()}
    decoder = build_decoder(model.config, VOCAB_SIZE, arrays).fresh()
    text = torch.randint(VOCAB_SIZE, (2, 7))
    for n in (3, 4, 7):
        with torch.no_grad():
            after = model(text[:, :n])[:, -1].numpy()
        np.testing.assert_allclose(decoder.logits(text[:, :n].numpy()), after, atol=1e-5)


def test_each_learns_as_if_alone():
    """But for what clips the gradient: one of three, and its model by itself."""
    training = TrainingConfig(steps=9, grad_clip=0.0, optimizer="adamw")
    model = build_model(several("transformer"), VOCAB_SIZE)
    assert isinstance(model, Members)
    alone = build_model(several("transformer", 1), VOCAB_SIZE)
    alone.load_state_dict(model.members[1].state_dict())
    stream = torch.randint(VOCAB_SIZE, (500,))
    for each in (model, alone):
        run = RunConfig(data=DataConfig(), model=each.config, training=training)
        list(Training(Eager(each, run, stream)).run())
    for name, weight in alone.named_parameters():
        own = model.members[1].get_parameter(name)
        torch.testing.assert_close(own, weight, atol=1e-3, rtol=0)
