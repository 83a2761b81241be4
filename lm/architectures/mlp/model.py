"""A multi-layer perceptron over a window's embeddings."""

from __future__ import annotations

from torch import Tensor, nn

from lm.architectures.mlp.config import MLPConfig
from lm.architectures.shared.heads import SoftmaxHead
from lm.architectures.shared.layers import ACTIVATIONS, initialize
from lm.architectures.shared.products import Linear
from lm.architectures.shared.window_model import WindowModel


class MLPModel(WindowModel):
    """See `MLPConfig`."""

    def __init__(self, config: MLPConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        self.hidden = nn.ModuleList()
        self.activation = ACTIVATIONS[config.activation]()
        self.dropout = nn.Dropout(config.dropout)
        width = self.width
        for _ in range(config.n_layers):
            self.hidden.append(Linear(width, config.d_hidden, config.bias))
            width = config.d_hidden
        self.head = SoftmaxHead(width, vocab_size, config.bias)
        initialize(self, config.initialization)

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        x = self.windows(token_ids, before)
        for layer in self.hidden:
            x = self.dropout(self.activation(layer(x)))
        return x  # (B, T, d_hidden)
