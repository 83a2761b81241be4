"""Several models of one kind as one, which predicts the mean of their probabilities.

They learn from the same rows and differ in their first weights and in what dropout leaves out.
Where a text has taught one of them all it can, several of them still know more together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from lm.architectures.shared.heads import Head
from lm.architectures.shared.model import LanguageModel


class Members(LanguageModel):
    """Its features are those of all members, side by side; its head takes them apart again."""

    def __init__(self, members: Sequence[LanguageModel]) -> None:
        super().__init__(members[0].config, members[0].vocab_size)
        self.members = nn.ModuleList(members)
        self.head = MembersHead([member.head for member in members])

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        return torch.cat([member.features(token_ids, before) for member in self._each()], dim=-1)

    def _each(self) -> Iterator[LanguageModel]:
        for member in self.members:
            assert isinstance(member, LanguageModel)
            yield member


class MembersHead:
    """The heads of all members. It is no module: each is a part of its member."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = heads

    @property
    def weight(self) -> Tensor:
        return torch.cat([head.weight for head in self.heads], dim=1)

    @property
    def numbers_per_prediction(self) -> int:
        return sum(head.numbers_per_prediction for head in self.heads)

    @property
    def gradients_in_forward(self) -> bool:
        return any(head.gradients_in_forward for head in self.heads)

    def parameters(self) -> Iterator[nn.Parameter]:
        for head in self.heads:
            yield from head.parameters()

    def reset_parameters(self) -> None:
        for head in self.heads:
            head.reset_parameters()

    def __call__(self, features: Tensor) -> Tensor:
        """(..., d) -> (..., V) log-probabilities."""
        return self._mean(features, lambda head, own: head(own).log_softmax(-1))

    def loss(self, features: Tensor, targets: Tensor, *, z_loss: float = 0.0) -> Tensor:
        """The mean of the members' own losses: each learns as if it were alone."""
        losses = [head.loss(own, targets, z_loss=z_loss) for head, own in self._apart(features)]
        return torch.stack(losses).mean()

    def nats(self, features: Tensor, targets: Tensor) -> Tensor:
        return -self._mean(features, lambda head, own: -head.nats(own, targets))

    def _apart(self, features: Tensor) -> Iterator[tuple[Head, Tensor]]:
        return zip(self.heads, features.chunk(len(self.heads), dim=-1), strict=True)

    def _mean(self, features: Tensor, log_p: Callable[[Head, Tensor], Tensor]) -> Tensor:
        """The logarithm of the mean of probabilities, of which `log_p` gives the logarithms."""
        of_each = torch.stack([log_p(head, own) for head, own in self._apart(features)])
        return of_each.logsumexp(0) - math.log(len(self.heads))
