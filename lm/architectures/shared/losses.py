"""Cross-entropy: of few logits, of those of a large vocabulary, and of two levels of softmaxes.

The logits of 1,024 words of WikiText-2 are 136 MB, which a step would write and read six times
over. Here some rows at a time go through the output matrix, the softmax and both gradients: the
same products, the same result to rounding, in a quarter of the memory. `python -m lm bench`
compares it with PyTorch's own.

In a two-level softmax, the loss of a prediction needs the logits of all clusters, and those of the
tokens in the target's cluster alone. Predictions are sorted by target, so that the matrix of each
cluster is multiplied once, by all predictions whose target is in it.
"""

# torch's autograd.Function and custom operators have no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from lm.architectures.shared.products import fast_products

LOGITS_AT_ONCE = 2**23  # 32 MB of float32; a fourth of that takes a seventh longer


def large_vocab_loss(
    features: Tensor, weight: Tensor, targets: Tensor, z_loss: float = 0.0
) -> Tensor:
    """Mean nats of `targets` (N,) under logits `features` (N, d) times `weight` (V, d).

    The gradient is that of the nats and `z_loss` times (log Z)².
    """
    return _LinearCrossEntropy.apply(features, weight, targets, z_loss, torch.is_grad_enabled())


class _LinearCrossEntropy(torch.autograd.Function):
    """Forward has the logits at hand, so it computes the gradients too, if any are wanted."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, targets: Tensor, z_loss: float, gradients: bool
    ) -> Tensor:
        by_features, by_weight = torch.empty_like(features), torch.zeros_like(weight)
        total = features.new_zeros(())
        n, rows = len(features), max(16, LOGITS_AT_ONCE // len(weight))
        for start in range(0, n, rows):
            part, target_ids = features[start : start + rows], targets[start : start + rows, None]
            with fast_products():
                logits = part @ weight.T  # (rows, V)
            own, most = logits.gather(1, target_ids), logits.amax(1, keepdim=True)
            sums = logits.sub_(most).exp_().sum(1, keepdim=True)
            log_z = most + sums.log()
            total += (log_z - own).sum()
            if gradients:  # softmax less one-hot, over N
                logits.mul_((1 + 2 * z_loss * log_z) / sums)
                logits.scatter_add_(1, target_ids, logits.new_full(target_ids.shape, -1.0))
                with fast_products():
                    by_features[start : start + rows] = logits @ weight
                    by_weight += logits.T @ part
        if gradients:
            ctx.save_for_backward(by_features.div_(n), by_weight.div_(n))
        return total / n

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        by_features, by_weight = ctx.saved_tensors
        return by_features * gradient, by_weight * gradient, None, None, None


def softmax_loss(logits: Tensor, targets: Tensor, z_loss: float = 0.0) -> Tensor:
    """Mean nats of `targets` (N,) under `logits` (N, V), whose exponentials are taken once.

    The gradient is that of the nats and `z_loss` times (log Z)².
    """
    own, log_z, gradient = _one_pass(logits.detach(), targets, z_loss, len(logits))
    carrier = (logits * gradient).sum()  # which has that gradient
    return (log_z - own).mean() + (carrier - carrier.detach())


def _one_pass(
    logits: Tensor, targets: Tensor, z_loss: float, n: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of predictions the target's logit and log Z, (N, 1) each, and the gradient over n, (N, V)."""
    places = targets[:, None]
    own, most = logits.gather(1, places), logits.amax(1, keepdim=True)
    exps = (logits - most).exp()
    sums = exps.sum(1, keepdim=True)
    log_z = most + sums.log()
    gradient = exps * ((1 + 2 * z_loss * log_z) / (sums * n))
    gradient = gradient.scatter_add(1, places, own.new_full(places.shape, -1 / n))
    return own, log_z, gradient


# --- two levels -----------------------------------------------------------------------------------


class TwoLevels(NamedTuple):
    """What a two-level softmax gives: the nats, and what their gradients need."""

    nats: Tensor  # (N,) -ln p of each target
    order: Tensor  # (N,) of targets by id; in that order:
    of_cluster: Tensor  # (N, C) log-probabilities of clusters
    within: Tensor  # (N, size) log-probabilities of tokens within the target's own cluster
    weights: Tensor  # (N, 2) of both softmaxes' probabilities in the gradient


def two_level_nats(
    features: Tensor, clusters: Tensor, tokens: Tensor, targets: Tensor, size: int, z_loss: float
) -> Tensor:
    """-ln p of each of `targets` (N,) after `features` (N, d), with gradient.

    `clusters` (C, d) and `tokens` (V, d) are the matrices of the two softmaxes, `size` the tokens
    in a cluster. The gradient is that of the nats and `z_loss` times (log Z)² of both softmaxes.
    """
    return TwoLevels(*_two_level_nats(features, clusters, tokens, targets, size, z_loss)).nats


# How many predictions a cluster gets depends on the data, and a step is counted without any. As an
# operator of its own the loss has shapes and FLOPs all the same: each prediction meets all clusters
# and the `size` tokens of one.


def nats_by_cluster(
    features: Tensor, clusters: Tensor, tokens: Tensor, targets: Tensor, size: int, z_loss: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """`TwoLevels` as the plain tuple that an operator of torch's gives."""
    ordered, order = targets.sort(stable=True)
    x = features[order]
    of_cluster = x @ clusters.T
    within = x.new_empty(len(x), size)
    for rows, _, matrix in _by_cluster(ordered, tokens, size):
        torch.mm(x[rows], matrix.T, out=within[rows])
    last = ordered >= (len(clusters) - 1) * size  # where it has fewer tokens than the others
    within[:, len(tokens) - (len(clusters) - 1) * size :].masked_fill_(last[:, None], -torch.inf)
    log_z = torch.cat([scores.logsumexp(1, keepdim=True) for scores in (of_cluster, within)], 1)
    of_cluster -= log_z[:, :1]
    within -= log_z[:, 1:]
    place = ordered[:, None]
    log_p = of_cluster.gather(1, place // size) + within.gather(1, place % size)
    nats = torch.empty_like(log_p[:, 0]).scatter_(0, order, -log_p[:, 0])
    return TwoLevels(nats, order, of_cluster, within, weights=1 + 2 * z_loss * log_z)


def gradients_by_cluster(
    gradient: Tensor,
    features: Tensor,
    clusters: Tensor,
    tokens: Tensor,
    targets: Tensor,
    order: Tensor,
    of_cluster: Tensor,
    within: Tensor,
    weights: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `features`, `clusters` and `tokens`, in this order.

    `gradient` (N,) is that of the nats; the last four are what `nats_by_cluster` returned.
    """
    size = within.shape[1]
    ordered, x, scale = targets[order], features[order], gradient[order, None]
    place = ordered[:, None]
    less = scale.new_full((1, 1), -1.0).expand_as(scale)
    errors = of_cluster.exp().mul_(weights[:, :1])
    errors.scatter_add_(1, place // size, less).mul_(scale)
    by_x, by_clusters = errors @ clusters, errors.T @ x
    errors = within.exp().mul_(weights[:, 1:])
    errors.scatter_add_(1, place % size, less).mul_(scale)
    by_tokens = torch.zeros_like(tokens)
    for rows, own, matrix in _by_cluster(ordered, tokens, size):
        torch.addmm(by_x[rows], errors[rows], matrix, out=by_x[rows])
        if len(matrix) == len(by_tokens[own]):
            torch.mm(errors[rows].T, x[rows], out=by_tokens[own])
        else:
            by_tokens[own] = (errors[rows].T @ x[rows])[: len(by_tokens[own])]
    return torch.empty_like(by_x).index_copy_(0, order, by_x), by_clusters, by_tokens


def _by_cluster(
    ordered: Tensor, tokens: Tensor, size: int
) -> Iterator[tuple[slice, slice, Tensor]]:
    """For each cluster that occurs: its predictions, its token ids, and their matrix (size, d)."""
    counts = torch.bincount(ordered // size).tolist()
    start = 0
    for cluster, count in enumerate(counts):
        if count:
            own = slice(cluster * size, (cluster + 1) * size)
            matrix = tokens[own]
            if len(matrix) < size:
                matrix = F.pad(matrix, (0, 0, 0, size - len(matrix)))
            yield slice(start, start + count), own, matrix
            start += count


_two_level_nats = torch.library.custom_op("lm::two_level_nats", nats_by_cluster, mutates_args=())
_two_level_gradients = torch.library.custom_op(
    "lm::two_level_gradients", gradients_by_cluster, mutates_args=()
)


@_two_level_nats.register_fake
def _(
    features: Tensor, clusters: Tensor, tokens: Tensor, targets: Tensor, size: int, z_loss: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    n = len(features)
    of_cluster, within, weights = (
        features.new_empty(n, width) for width in (len(clusters), size, 2)
    )
    return TwoLevels(features.new_empty(n), torch.empty_like(targets), of_cluster, within, weights)


@_two_level_gradients.register_fake
def _(
    gradient: Tensor, features: Tensor, clusters: Tensor, tokens: Tensor, *rest: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(features), torch.empty_like(clusters), torch.empty_like(tokens)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, *rest = TwoLevels(*output)
    ctx.mark_non_differentiable(*rest)
    ctx.save_for_backward(*inputs[:4], *rest)


def _backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    return *_two_level_gradients(gradient, *ctx.saved_tensors), None, None, None


_two_level_nats.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.lm.two_level_nats)
def _(
    features: Any, clusters: Any, tokens: Any, targets: Any, size: int, *_: Any, **__: Any
) -> int:
    (n, d), (n_clusters, _) = features, clusters
    return 2 * n * d * (n_clusters + size)


@register_flop_formula(torch.ops.lm.two_level_gradients)
def _(gradient: Any, features: Any, clusters: Any, *rest: Any, **_: Any) -> int:
    (n, d), (n_clusters, _), (_, size) = features, clusters, rest[-2]
    return 4 * n * d * (n_clusters + size)
