"""Cross-entropy of a large vocabulary, without its logits in memory at once.

The logits of 1,024 words of WikiText-2 are 136 MB, which a step would write and read six times
over. Here a few rows at a time go through the output matrix, the softmax and both gradients
while they are in the processor's cache: the same products, the same result to rounding, and
1.5 to 2 times as fast on a CPU (`python -m bench`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lm.products import fast_products

LARGE_VOCAB_SIZE = 8_192  # from here on it pays; below, the logits stay in the cache anyway
LOGITS_AT_ONCE = 2**21  # 8 MB of float32


def large_vocab_loss(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean nats of `targets` (N,) under logits `features` (N, d) times `weight` (V, d)."""
    return _LinearCrossEntropy.apply(features, weight, targets, torch.is_grad_enabled())


class _LinearCrossEntropy(torch.autograd.Function):
    """Forward has the logits at hand, so it computes the gradients too, if any are wanted."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, targets: Tensor, gradients: bool
    ) -> Tensor:
        by_features, by_weight = torch.empty_like(features), torch.zeros_like(weight)
        total = features.new_zeros(())
        n, rows = len(features), max(16, LOGITS_AT_ONCE // len(weight))
        for start in range(0, n, rows):
            part, wanted = features[start : start + rows], targets[start : start + rows, None]
            with fast_products():
                logits = part @ weight.T  # (rows, V)
            log_total = logits.logsumexp(1, keepdim=True)
            total += (log_total - logits.gather(1, wanted)).sum()
            if gradients:  # softmax less one-hot, over N
                logits.sub_(log_total).exp_()
                logits.scatter_add_(1, wanted, logits.new_full(wanted.shape, -1.0))
                with fast_products():
                    by_features[start : start + rows] = logits @ weight
                    torch.addmm(by_weight, logits.T, part, out=by_weight)  # addmm_ goes uncounted
        if gradients:
            ctx.save_for_backward(by_features.div_(n), by_weight.div_(n))
        return total / n

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        by_features, by_weight = ctx.saved_tensors
        return by_features * gradient, by_weight * gradient, None, None
