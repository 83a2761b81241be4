"""What was tried and left out can be tried again."""

import math

import pytest
import torch

from bench import tried
from lm.architectures import build_model
from lm.datasets.config import DataConfig
from tests.lm.architectures.test_models import SMALL


def test_averages_are_means_of_the_weights_that_they_were_told_of():
    model = build_model(SMALL["linear"], 11)
    plain, moving = tried.Average(model), tried.Average(model, decay=0.5)
    weight = model.head.weight
    for value in (1.0, 3.0, 8.0):
        with torch.no_grad():
            weight.fill_(value)
        plain.add(model)
        moving.add(model)
    assert plain.model.head.weight.mean().item() == pytest.approx(4.0)
    # it begins as a plain mean: 1, then (1 + 3) / 2, then halfway to 8
    assert moving.model.head.weight.mean().item() == pytest.approx(5.0)


def test_capped_logits_keep_their_order_and_stay_below_the_cap():
    head = torch.nn.Linear(4, 9)
    features = 100 * torch.randn(6, 4)
    plain, capped = head(features), tried.SoftCapped(head, 5.0)(features)
    assert capped.abs().max() <= 5.0
    assert torch.allclose(capped, 5 * torch.tanh(plain / 5))


def test_every_variant_learns():
    data = DataConfig(dataset="known_entropy", n_chars=6_000)
    by_variant = tried.compare(data, budget=4e7, seeds=1)
    assert len(by_variant) == 2 * (1 + 3 + 2) + 2 + 4 + 2 + 8
    for what, (loss,) in by_variant.items():
        assert 0.5551 < loss < math.log(27), what
