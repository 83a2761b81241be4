"""Blocks of causal self-attention, with feed-forward or without it.

B is rows, T positions, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lm.architectures.shared.embeddings import EmbeddingModel
from lm.architectures.shared.heads import SoftmaxHead, TwoLevelHead
from lm.architectures.shared.layers import initialize
from lm.architectures.shared.products import Linear, causal_attention
from lm.architectures.shared.self_attention_config import ROTARY_BASE, SelfAttentionConfig


class FeedForwardLike(nn.Module):
    """What may follow attention in a block: (B, T, d_model) -> (B, T, d_model)."""

    down: nn.Linear  # the map that writes to the residual stream


class SelfAttentionModel(EmbeddingModel):
    """A row is read whole: each of its positions attends to itself and what precedes it."""

    config: SelfAttentionConfig
    sinusoids: Tensor  # (context_length, d_model), where positions are sinusoidal
    rotations: Tensor  # (2, context_length, d_head / 2), where they are rotary

    def __init__(
        self,
        config: SelfAttentionConfig,
        vocab_size: int,
        feed_forward: Callable[[], FeedForwardLike] | None = None,
    ) -> None:
        """`feed_forward` makes the one of each block, if blocks have any."""
        d, length = config.d_model, config.context_length
        super().__init__(config, vocab_size, d)
        self.position_embedding: nn.Embedding | None = None
        if config.positional_encoding == "learned":
            self.position_embedding = nn.Embedding(length, d)
        elif config.positional_encoding == "sinusoidal":
            self.register_buffer("sinusoids", _sinusoids(length, d), persistent=False)
        elif config.positional_encoding == "rotary":
            rotations = _rotations(length, config.head_width)
            self.register_buffer("rotations", rotations, persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config, feed_forward) for _ in range(config.n_layers)]
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = _norm(config) if config.norm_position == "pre" else nn.Identity()
        head = TwoLevelHead if config.two_level else SoftmaxHead
        self.head = head(d, vocab_size, bias=False)
        if config.tie_embeddings:
            self.embedding.weight = self.head.weight
        outputs: list[nn.Linear] = [block.attention.output for block in blocks]
        outputs += [block.feed_forward.down for block in blocks if block.feed_forward]
        initialize(self, config.initialization, outputs, tied=config.tie_embeddings)

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        n_positions = token_ids.shape[1]
        if n_positions > self.config.context_length:
            raise ValueError(
                f"A row must not exceed context_length={self.config.context_length}. "
                f"Received: {n_positions} tokens."
            )
        x = self.embed(*self.read(token_ids))  # (B, T, d_model)
        if self.position_embedding is not None:
            x = x + self.position_embedding.weight[:n_positions]
        elif self.config.positional_encoding == "sinusoidal":
            x = x + self.sinusoids[:n_positions]
        rotation = None
        if self.config.positional_encoding == "rotary":
            rotation = self.rotations[:, :n_positions]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, rotation)
        return self.final_norm(x)


class Block(nn.Module):
    """Attention and, where there is one, feed-forward, each added to the residual stream."""

    def __init__(
        self, config: SelfAttentionConfig, feed_forward: Callable[[], FeedForwardLike] | None
    ) -> None:
        super().__init__()
        self.pre_norm = config.norm_position == "pre"
        self.attention_norm = _norm(config)
        self.attention = CausalSelfAttention(config)
        self.feed_forward: FeedForwardLike | None = None
        if feed_forward is not None:
            self.feed_forward_norm = _norm(config)
            self.feed_forward = feed_forward()

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        if self.pre_norm:
            x = x + self.attention(self.attention_norm(x), rotation)
            if self.feed_forward is not None:
                x = x + self.feed_forward(self.feed_forward_norm(x))
            return x
        x = self.attention_norm(x + self.attention(x, rotation))
        if self.feed_forward is not None:
            x = self.feed_forward_norm(x + self.feed_forward(x))
        return x


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention; a position attends to itself and what precedes it."""

    def __init__(self, config: SelfAttentionConfig) -> None:
        super().__init__()
        self.n_heads, self.d_head = config.n_heads, config.head_width
        self.qk_norm = config.qk_norm
        width = self.n_heads * self.d_head
        self.query_key_value = Linear(config.d_model, 3 * width, config.bias)
        self.output = Linear(width, config.d_model, config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        projected = self.query_key_value(x).unflatten(-1, (3, self.n_heads, self.d_head))
        projected = projected.permute(2, 0, 3, 1, 4)  # (3, B, H, T, d_head)
        queries_keys, values = projected.split((2, 1))
        if self.qk_norm:
            queries_keys = F.rms_norm(queries_keys, (self.d_head,))
        if rotation is not None:
            queries_keys = _rotate(queries_keys, rotation)
        queries, keys = queries_keys.unbind()  # each (B, H, T, d_head)
        values = values.squeeze(0)
        dropout = self.dropout.p if self.training else 0.0
        mixed = causal_attention(queries, keys, values, dropout)
        return self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))


def _norm(config: SelfAttentionConfig) -> nn.Module:
    if config.norm == "rms":
        return nn.RMSNorm(config.d_model, eps=1e-6)
    return nn.LayerNorm(config.d_model, bias=config.bias)


def _sinusoids(length: int, width: int) -> Tensor:
    """(length, width): sines and cosines of geometric wavelengths (arXiv 1706.03762)."""
    pairs = math.ceil(width / 2)
    angles = torch.outer(torch.arange(length), 10_000.0 ** (-torch.arange(pairs) / pairs))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


def _rotations(length: int, d_head: int) -> Tensor:
    """(2, length, d_head / 2): cosines and sines of the rotary encoding (arXiv 2104.09864)."""
    pairs = d_head // 2
    angles = torch.outer(torch.arange(length), ROTARY_BASE ** (-torch.arange(pairs) / pairs))
    return torch.stack([angles.cos(), angles.sin()])


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn the pairs (i, i + d_head / 2) of x (..., T, d_head) by their position's angle."""
    cos, sin = rotation
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)
