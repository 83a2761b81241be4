"""Writing with several models as one, as plain arrays; and what their weights are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lm.architectures.spec import Arrays, Decoder


def member_name(i: int) -> str:
    """Before the names of a member's parts."""
    return f"members.{i}"


def of_member(weights: Arrays, i: int) -> Arrays:
    """The weights of a member, by the names that it has alone."""
    prefix = f"{member_name(i)}."
    own = {name: weights[name] for name in weights if name.startswith(prefix)}
    return {name.removeprefix(prefix): array for name, array in own.items()}


class MembersDecoder(Decoder):
    """The mean of the probabilities of several models, all of which read the same."""

    def __init__(self, members: Sequence[Decoder]) -> None:
        super().__init__(members[0].config, members[0].vocab_size)
        self.members = members

    def fresh(self) -> MembersDecoder:
        return MembersDecoder([member.fresh() for member in self.members])

    def first_read(self, n_tokens: int) -> int:
        return self.members[0].first_read(n_tokens)

    def _logits(self, texts: np.ndarray) -> np.ndarray:
        """Log-probabilities: (B, V)."""
        every = np.stack([member.logits(texts) for member in self.members])
        every -= every.max(-1, keepdims=True)
        log_p = every - np.log(np.exp(every).sum(-1, keepdims=True))
        highest = log_p.max(0)
        return highest + np.log(np.exp(log_p - highest).mean(0))
