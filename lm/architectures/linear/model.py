"""Softmax regression: one linear map from a window's embeddings to logits."""

from __future__ import annotations

from lm.architectures.linear.config import LinearConfig
from lm.architectures.shared.heads import SoftmaxHead
from lm.architectures.shared.layers import initialize
from lm.architectures.shared.window_model import WindowModel


class LinearModel(WindowModel):
    """See `LinearConfig`."""

    def __init__(self, config: LinearConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        self.head = SoftmaxHead(self.width, vocab_size, config.bias)
        initialize(self, config.initialization)
