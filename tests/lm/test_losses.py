"""The loss of a large vocabulary is the plain one, computed in pieces."""

import pytest
import torch
import torch.nn.functional as F

from lm.config import TrainingConfig, TransformerConfig
from lm.flops import step_flops
from lm.losses import LARGE_VOCAB_SIZE, large_vocab_loss
from lm.meter import count_flops
from lm.models import build_model
from lm.training import Batch, loss_of

SMALL = TransformerConfig(d_model=8, n_heads=1, n_layers=1, d_ff=8, context_length=8)


@pytest.mark.parametrize("n", [1, 63, 64, 130])  # 64 rows of such logits are taken at a time
def test_loss_and_gradients_are_those_of_plain_cross_entropy(n):
    random = torch.Generator().manual_seed(n)
    vocab_size = 32_768
    features = torch.randn(n, 12, generator=random, requires_grad=True)
    weight = torch.randn(vocab_size, 12, generator=random, requires_grad=True)
    targets = torch.randint(vocab_size, (n,), generator=random)
    plain = F.cross_entropy(features @ weight.T, targets)
    expected = torch.autograd.grad(2 * plain, [features, weight])
    pieces = large_vocab_loss(features, weight, targets)
    gradients = torch.autograd.grad(2 * pieces, [features, weight])
    torch.testing.assert_close(pieces, plain)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("objective", ["all_positions", "last_position"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_step_on_a_large_vocabulary_costs_and_learns_what_the_plain_one_does(objective, tied):
    model = build_model(SMALL.replace(tie_embeddings=tied), LARGE_VOCAB_SIZE)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(LARGE_VOCAB_SIZE, (3, 9), generator=torch.Generator().manual_seed(1))
    batch = Batch(inputs=tokens[:, :-1], targets=tokens[:, 1:], before=None)

    def plain():
        logits, targets = model(batch.inputs), batch.targets
        if objective == "last_position":
            logits, targets = logits[:, -1:], targets[:, -1:]
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    parameters = dict(model.named_parameters())
    expected = torch.autograd.grad(plain(), list(parameters.values()))
    counted = count_flops(lambda: loss_of(model, batch, objective).backward())
    formula = step_flops(
        model.config,
        LARGE_VOCAB_SIZE,
        batch_size=3,
        sequence_length=8,
        optimizer=TrainingConfig(budget=1e9).optimizer,
        objective=objective,
    )
    assert counted == formula.total
    for parameter, gradient in zip(parameters.values(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
