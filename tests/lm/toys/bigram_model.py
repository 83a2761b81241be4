"""The toy architecture in torch, apart: reading its config loads none."""

from __future__ import annotations

from torch import Tensor, nn

from lm.architectures.shared.heads import SoftmaxHead
from lm.architectures.shared.layers import initialize
from lm.architectures.shared.model import LanguageModel


class BigramModel(LanguageModel):
    def __init__(self, config, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        self.embedding = nn.Embedding(vocab_size, config.d_embed)
        self.head = SoftmaxHead(config.d_embed, vocab_size)
        initialize(self, "zero_output")

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        return self.embedding(token_ids)
