"""The output of a model: logits, and what a prediction costs in nats.

Training, scoring and the counting of FLOPs ask the head; none of them knows how it computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lm.architectures.shared.losses import large_vocab_loss, softmax_loss, two_level_nats
from lm.architectures.shared.parts import cluster_shape
from lm.architectures.shared.products import Linear

LARGE_VOCAB_SIZE = 8_192  # from here on the loss is computed in pieces; fewer logits fit the cache


class Head(Protocol):
    """The last layer of a model: from its features to logits, and to the cost of a prediction."""

    @property
    def weight(self) -> Tensor: ...  # (V, d), a row for each token
    @property
    def numbers_per_prediction(self) -> int: ...  # that are written to score one
    @property
    def gradients_in_forward(self) -> bool: ...  # whether `loss` computes them with the nats

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def reset_parameters(self) -> None: ...

    def __call__(self, features: Tensor) -> Tensor:
        """(..., d) -> (..., V) logits."""
        ...

    def loss(self, features: Tensor, targets: Tensor, *, z_loss: float = 0.0) -> Tensor:
        """Mean nats of `targets` (N,) after `features` (N, d), with gradient.

        The gradient is that of the nats and `z_loss` times (log Z)² (arXiv 2204.02311, section 5).
        """
        ...

    def nats(self, features: Tensor, targets: Tensor) -> Tensor:
        """-ln p of each of `targets` (B, T) after `features` (B, T, d): (B, T)."""
        ...


class SoftmaxHead(Linear):
    """One softmax over the vocabulary."""

    def __init__(self, d: int, vocab_size: int, bias: bool = False) -> None:
        super().__init__(d, vocab_size, bias)
        self.numbers_per_prediction = vocab_size

    @property
    def gradients_in_forward(self) -> bool:
        # torch's types leave out that a map may have no bias
        no_bias = self.bias is None  # pyright: ignore[reportUnnecessaryComparison]
        return no_bias and self.out_features >= LARGE_VOCAB_SIZE

    def loss(self, features: Tensor, targets: Tensor, *, z_loss: float = 0.0) -> Tensor:
        if self.gradients_in_forward:
            return large_vocab_loss(features, self.weight, targets, z_loss)
        logits = self(features)
        if z_loss:
            return softmax_loss(logits, targets, z_loss)
        return F.cross_entropy(logits, targets)  # one call

    def nats(self, features: Tensor, targets: Tensor) -> Tensor:
        logits = self(features)  # (B, T, V)
        # cross_entropy would write all log-probabilities, in twice the time for many words
        return logits.logsumexp(-1) - logits.gather(-1, targets[..., None]).squeeze(-1)


class TwoLevelHead(nn.Linear):
    """p(token | h) = p(its cluster | h) · p(token | cluster, h): two softmaxes of about √V terms.

    `weight` (V, d) has a row per token, `clusters.weight` one per run of consecutive ids
    (Goodman, arXiv cs/0108006). The loss of a prediction needs the rows of its target's cluster
    alone.
    """

    def __init__(self, d: int, vocab_size: int, bias: bool = False) -> None:
        # torch leaves two parameters of this without a type
        super().__init__(d, vocab_size, bias)  # pyright: ignore[reportUnknownMemberType]
        self.n_clusters, self.size = cluster_shape(vocab_size)
        self.clusters = nn.Linear(d, self.n_clusters, bias)
        # of two levels there are few, and both them and their log-probabilities are kept
        self.numbers_per_prediction = 2 * (self.n_clusters + self.size)

    gradients_in_forward = False

    def forward(self, input: Tensor) -> Tensor:
        """(..., d) -> (..., V) log-probabilities."""
        missing = self.n_clusters * self.size - self.out_features
        scores = F.pad(super().forward(input), (0, missing), value=-math.inf)
        by_cluster = torch.unflatten(scores, -1, (self.n_clusters, self.size))
        within = by_cluster.log_softmax(-1)  # (..., C, size)
        of_cluster = self.clusters(input).log_softmax(-1)  # (..., C)
        return (of_cluster[..., None] + within).flatten(-2)[..., : self.out_features]

    def loss(self, features: Tensor, targets: Tensor, *, z_loss: float = 0.0) -> Tensor:
        return self._nats(features, targets, z_loss).mean()

    def nats(self, features: Tensor, targets: Tensor) -> Tensor:
        return self._nats(features.flatten(0, 1), targets.flatten()).view_as(targets)

    def _nats(self, features: Tensor, targets: Tensor, z_loss: float = 0.0) -> Tensor:
        clusters = self.clusters.weight
        return two_level_nats(features, clusters, self.weight, targets, self.size, z_loss)
