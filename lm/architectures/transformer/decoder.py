"""Writing with a transformer, as plain arrays."""

from __future__ import annotations

import functools

import numpy as np

from lm.architectures.shared.arrays import activate, apply, linear_map
from lm.architectures.shared.self_attention_decoder import Block, Norm, SelfAttentionDecoder
from lm.architectures.spec import Arrays
from lm.architectures.transformer.config import TransformerConfig


class TransformerDecoder(SelfAttentionDecoder):
    """Self-attention whose blocks have feed-forward."""

    def __init__(self, config: TransformerConfig, vocab_size: int, weights: Arrays) -> None:
        super().__init__(config, vocab_size, weights, functools.partial(TransformerBlock, config))


class TransformerBlock(Block):
    """Attention and feed-forward."""

    def __init__(self, config: TransformerConfig, weights: Arrays, name: str) -> None:
        super().__init__(config, weights, name)
        self.activation = config.activation
        before = Norm(config.norm, weights, f"{name}.feed_forward_norm")
        maps = {part: linear_map(weights, f"{name}.feed_forward.{part}") for part in ("up", "down")}
        if config.activation == "swiglu":
            maps["gate"] = linear_map(weights, f"{name}.feed_forward.gate")
        if config.norm_position == "pre":
            maps = {part: m if part == "down" else before.into(m) for part, m in maps.items()}
        self.feed_forward_norm, self.maps = before, maps

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        """(N, d) -> (N, d)"""
        if self.activation == "swiglu":
            inner = activate("silu", apply(x, self.maps["gate"])) * apply(x, self.maps["up"])
        else:
            inner = activate(self.activation, apply(x, self.maps["up"]))
        return apply(inner, self.maps["down"])
