"""The transformer: self-attention and feed-forward in turn."""

from __future__ import annotations

from torch import Tensor, nn

from lm.architectures.shared.layers import ACTIVATIONS
from lm.architectures.shared.products import Linear
from lm.architectures.shared.self_attention_model import FeedForwardLike, SelfAttentionModel
from lm.architectures.transformer.config import TransformerConfig


class TransformerModel(SelfAttentionModel):
    """See `TransformerConfig`."""

    def __init__(self, config: TransformerConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size, lambda: FeedForward(config))


class FeedForward(FeedForwardLike):
    """Two linear maps around a non-linearity; swiglu multiplies by a gate."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = Linear(config.d_model, config.d_ff, config.bias)
        self.gate: nn.Linear | None = None
        if config.activation == "swiglu":
            self.gate = Linear(config.d_model, config.d_ff, config.bias)
        self.activation = ACTIVATIONS[config.activation]()
        self.down = Linear(config.d_ff, config.d_model, config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is not None:
            inner = self.activation(self.gate(x)) * self.up(x)
        else:
            inner = self.activation(self.up(x))  # (B, T, d_ff)
        return self.dropout(self.down(inner))
