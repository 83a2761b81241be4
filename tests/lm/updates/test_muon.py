"""Muon's step, which takes matrices of a shape at once, is that of torch.optim.Muon."""

import torch
from torch import nn

from lm.updates.muon_rule import MuonOptimizer, orthogonalized

SHAPES = [(64, 64), (256, 64), (64, 64), (64, 256), (8, 3)]


def test_its_steps_are_torchs_to_the_last_bit():
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    settings = {"weight_decay": 0.3, "momentum": 0.9}
    reference = torch.optim.Muon(theirs, lr=0.02, **settings)
    optimizer = MuonOptimizer([{"params": ours, "weight_decay": 0.3}], 0.02, 0.9)
    for _ in range(4):
        for own, other in zip(ours, theirs, strict=True):
            own.grad = torch.randn(own.shape)
            other.grad = own.grad.clone()
        optimizer.step()
        reference.step()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.equal(own, other)


def test_singular_values_become_about_one():
    torch.manual_seed(0)
    for shape in ((2, 24, 24), (3, 40, 16), (1, 16, 40)):
        values = torch.linalg.svdvals(orthogonalized(torch.randn(shape)).float())
        assert values.max() < 1.3
        assert values.median() > 0.6
    assert not orthogonalized(torch.zeros(1, 4, 4)).any()
