"""Losses are the plain ones, whatever way they are computed."""

import pytest
import torch
import torch.nn.functional as F

from lm.architectures import build_model
from lm.architectures.shared.heads import LARGE_VOCAB_SIZE, TwoLevelHead
from lm.architectures.shared.losses import (
    gradients_by_cluster,
    large_vocab_loss,
    nats_by_cluster,
    softmax_loss,
    two_level_nats,
)
from lm.architectures.shared.parts import cluster_shape
from lm.architectures.transformer.config import TransformerConfig
from lm.runs.flops import step_flops
from lm.training.batches import Batch, loss_of
from lm.training.meter import count_flops
from lm.updates.config import TrainingConfig

SMALL = TransformerConfig(d_model=8, n_heads=1, n_layers=1, d_ff=8, context_length=8)


@pytest.mark.parametrize("z_loss", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 63, 64, 130])  # 64 rows of such logits are taken at a time
def test_loss_and_gradients_are_those_of_plain_cross_entropy(n, z_loss):
    random = torch.Generator().manual_seed(n)
    vocab_size = 32_768
    features = torch.randn(n, 12, generator=random, requires_grad=True)
    weight = torch.randn(vocab_size, 12, generator=random, requires_grad=True)
    targets = torch.randint(vocab_size, (n,), generator=random)
    logits = features @ weight.T
    plain = F.cross_entropy(logits, targets)
    penalised = plain + z_loss * logits.logsumexp(-1).square().mean()
    expected = torch.autograd.grad(2 * penalised, [features, weight])
    pieces = large_vocab_loss(features, weight, targets, z_loss)
    gradients = torch.autograd.grad(2 * pieces, [features, weight])
    torch.testing.assert_close(pieces, plain)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("z_loss", [0.0, 0.3])
def test_one_pass_gives_the_loss_and_its_gradient(z_loss):
    random = torch.Generator().manual_seed(0)
    logits = 30 * torch.randn(7, 11, generator=random, dtype=torch.float64)
    logits.requires_grad_()
    targets = torch.randint(11, (7,), generator=random)
    plain = F.cross_entropy(logits, targets)
    penalised = plain + z_loss * logits.logsumexp(-1).square().mean()
    ours = softmax_loss(logits, targets, z_loss)
    torch.testing.assert_close(ours, plain)
    expected = torch.autograd.grad(2 * penalised, logits)
    torch.testing.assert_close(torch.autograd.grad(2 * ours, logits), expected)


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


@pytest.mark.parametrize("vocab_size", [11, LARGE_VOCAB_SIZE])
def test_a_penalty_is_in_the_gradient_and_not_in_the_loss(vocab_size):
    model = build_model(SMALL, vocab_size)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(vocab_size, (3, 9), generator=torch.Generator().manual_seed(1))
    batch = Batch(inputs=tokens[:, :-1], targets=tokens[:, 1:], before=None)
    parameters = list(model.parameters())
    logits = model(batch.inputs)
    nats = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    penalised = nats + 0.2 * logits.logsumexp(-1).square().mean()
    expected = torch.autograd.grad(penalised, parameters)
    loss = loss_of(model, batch, "all_positions", z_loss=0.2)
    torch.testing.assert_close(loss, nats)
    for ours, theirs in zip(torch.autograd.grad(loss, parameters), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-5)
    assert count_flops(lambda: loss_of(model, batch, "all_positions", z_loss=0.2)) == count_flops(
        lambda: loss_of(model, batch, "all_positions")
    )


# --- two levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("z_loss", [0.0, 0.3])
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("vocab_size", [1, 2, 65, 100, 1_001])
def test_a_cluster_alone_gives_what_the_whole_vocabulary_does(vocab_size, n, z_loss):
    random = torch.Generator().manual_seed(n)
    head = TwoLevelHead(6, vocab_size)
    features = torch.randn(n, 6, generator=random, requires_grad=True)
    targets = torch.randint(vocab_size, (n,), generator=random)
    targets[0] = vocab_size - 1  # in the last cluster, which may lack words
    weight = torch.randn(n, generator=random)  # a gradient of its own for each prediction
    factors = [features, head.clusters.weight, head.weight]
    plain = -head(features).gather(1, targets[:, None])[:, 0]
    scores = F.pad(F.linear(features, head.weight), (0, -vocab_size % head.size), value=-torch.inf)
    own = scores.unflatten(1, (-1, head.size))[torch.arange(n), targets // head.size]
    penalty = own.logsumexp(1).square() + head.clusters(features).logsumexp(1).square()
    penalised = weight * (plain + z_loss * penalty)
    expected = torch.autograd.grad(penalised.sum(), factors)
    nats = two_level_nats(features, head.clusters.weight, head.weight, targets, head.size, z_loss)
    gradients = torch.autograd.grad((weight * nats).sum(), factors)
    torch.testing.assert_close(nats, plain)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("vocab_size", [2, 65, 100, 1_001])
@pytest.mark.parametrize("spread", [1, 40])
def test_flops_do_not_depend_on_which_words_are_predicted(vocab_size, spread):
    n, d = 40, 6
    n_clusters, size = cluster_shape(vocab_size)
    clusters, words = torch.randn(n_clusters, d), torch.randn(vocab_size, d)
    features, targets = torch.randn(n, d), vocab_size - 1 - torch.arange(n) % spread % vocab_size
    kept = []
    forward = count_flops(
        lambda: kept.extend(nats_by_cluster(features, clusters, words, targets, size, 0.1))
    )
    nats, *kept = kept
    backward = count_flops(
        lambda: gradients_by_cluster(nats, features, clusters, words, targets, *kept)
    )
    assert forward == 2 * n * d * (n_clusters + size)
    assert backward == 2 * forward


@pytest.mark.parametrize("vocab_size", [1, 2, 3, 4, 5, 65, 100, 101, 10_000, 33_278])
def test_clusters_cover_the_vocabulary_and_none_is_empty(vocab_size):
    n_clusters, size = cluster_shape(vocab_size)
    assert (n_clusters - 1) * size < vocab_size <= n_clusters * size
    assert (size - 1) ** 2 < vocab_size <= size**2


def test_the_operators_keep_torchs_rules():
    head = TwoLevelHead(6, 65)
    arguments = (
        torch.randn(5, 6),
        head.clusters.weight,
        head.weight,
        torch.arange(5),
        head.size,
        0.1,
    )
    torch.library.opcheck(torch.ops.lm.two_level_nats.default, arguments)
