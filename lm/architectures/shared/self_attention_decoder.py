"""Writing with a model of self-attention, as plain arrays. The logits are torch's to rounding."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable

import numpy as np

from lm.architectures.shared.arrays import Embeddings, Map, apply, as_float32, linear_map
from lm.architectures.shared.parts import cluster_shape
from lm.architectures.shared.self_attention_config import ROTARY_BASE, SelfAttentionConfig
from lm.architectures.spec import Arrays, Decoder

EPSILON = {"rms": 1e-6, "layer": 1e-5}
QK_EPSILON = float(np.finfo(np.float32).eps)


class SelfAttentionDecoder(Decoder):
    """Blocks of self-attention, with the keys and values of what was read.

    To need few array operations for a token, the weights of norms are folded into the matrices
    behind them, and the rotary encoding turns queries and keys as complex numbers.
    """

    config: SelfAttentionConfig

    def __init__(
        self,
        config: SelfAttentionConfig,
        vocab_size: int,
        weights: Arrays,
        block: Callable[[Arrays, str], Block] | None = None,
    ) -> None:
        """`block` makes one from its weights and its name; left out, attention alone."""
        super().__init__(config, vocab_size)
        weights = as_float32(weights)
        self.embed = Embeddings(config, vocab_size, weights)
        self.pre = config.norm_position == "pre"
        self.length, self.d_head = config.context_length, config.head_width
        self.n_heads = config.n_heads
        self.normalisers = _normalisers(self.n_heads, self.d_head) if config.qk_norm else None
        self.positions: np.ndarray | None = weights.get("position_embedding.weight")
        self.rotations: np.ndarray | None = None  # (length, 1, d_head / 2), complex
        if config.positional_encoding == "sinusoidal":
            self.positions = _sinusoids(self.length, config.d_model)
        elif config.positional_encoding == "rotary":
            pairs = self.d_head // 2
            angles = np.outer(np.arange(self.length), ROTARY_BASE ** (-np.arange(pairs) / pairs))
            self.rotations = np.exp(1j * angles).astype(np.complex64)[:, None]
        block = block or functools.partial(Block, config)
        self.blocks = [block(weights, f"blocks.{i}") for i in range(config.n_layers)]
        rows = weights.get("head.weight", self.embed.tokens)
        self.clusters: tuple[int, int] | None = None  # of a two-level softmax: how many, how large
        if config.two_level:
            self.clusters = cluster_shape(len(rows))
            rows = np.concatenate([weights["head.clusters.weight"], rows])
        head = np.ascontiguousarray(rows.T), None
        self.final_norm: Norm | None = None
        if self.pre:
            self.final_norm = Norm(config.norm, weights, "final_norm")
            head = self.final_norm.into(head)
        self.head = head
        self._past: list[np.ndarray] = []  # of each block: keys and values, (2, B, H, T, d_head)
        self._start = self._n_read = 0

    def fresh(self) -> SelfAttentionDecoder:
        other = copy.copy(self)
        other._past, other._n_read = [], 0
        return other

    def first_read(self, n_tokens: int) -> int:
        """There is a position for each of `context_length` tokens. Once they are used up, reading
        starts again from the last half of them, so that keys and values are computed anew once
        per half context.
        """
        length = self.length
        if n_tokens <= length:
            return 0
        half = max(1, length // 2)
        return n_tokens - half - (n_tokens - length - 1) % (length - half + 1)

    def _logits(self, texts: np.ndarray) -> np.ndarray:
        n = texts.shape[1]
        start = self.first_read(n)
        if start != self._start or self._n_read <= start or self._n_read >= n:
            self._start = self._n_read = start
        rows, n_read, self._n_read = texts[:, start:], self._n_read - start, n
        n_rows, n_new = len(rows), rows.shape[1] - n_read  # of the others there are keys and values
        if n_read == 0:
            shape = (2, n_rows, self.n_heads, self.length, self.d_head)
            self._past = [np.empty(shape, np.float32) for _ in self.blocks]
        x = self.embed(rows, n_read).reshape(n_rows * n_new, -1)  # (B T, d)
        if self.positions is not None:
            x = x + np.tile(self.positions[n_read : n_read + n_new], (n_rows, 1))
        for block, keys_values in zip(self.blocks, self._past, strict=True):
            if self.pre:
                qkv = apply(block.attention_norm.plain(x), block.query_key_value)
                x = x + self._attend(block, qkv, keys_values, n_read)
                if block.feed_forward_norm is not None:
                    x += block.feed_forward(block.feed_forward_norm.plain(x))
            else:
                qkv = apply(x, block.query_key_value)
                x = x + self._attend(block, qkv, keys_values, n_read)
                x = block.attention_norm.whole(x)
                if block.feed_forward_norm is not None:
                    x = block.feed_forward_norm.whole(x + block.feed_forward(x))
        last = x[n_new - 1 :: n_new]
        if self.final_norm is not None:
            last = self.final_norm.plain(last)
        logits = apply(last, self.head)
        return logits if self.clusters is None else _two_level(logits, *self.clusters)

    def _attend(
        self, block: Block, qkv: np.ndarray, keys_values: np.ndarray, start: int
    ) -> np.ndarray:
        """Attention of the new tokens to all that was read: (B T, 3 H d_head) -> (B T, d)."""
        keys, values = keys_values
        n_rows = len(keys)
        n_new = len(qkv) // n_rows
        stop = start + n_new
        split = qkv.reshape(n_rows, n_new, 3 * self.n_heads, self.d_head)
        query_key = split[:, :, : 2 * self.n_heads]
        if self.normalisers is not None:
            factors, summands = self.normalisers
            squares = np.einsum("bthd,bthd->bth", query_key, query_key)
            squares *= factors
            squares += summands
            query_key = query_key / np.sqrt(squares, out=squares)[..., None]
        if self.rotations is not None:
            query_key = np.ascontiguousarray(query_key).view(np.complex64)
            query_key = (query_key * self.rotations[start:stop]).view(np.float32)
        by_head = query_key.transpose(0, 2, 1, 3)  # (B, 2 H, T, d_head)
        keys[:, :, start:stop] = by_head[:, self.n_heads :]
        values[:, :, start:stop] = split[:, :, 2 * self.n_heads :].transpose(0, 2, 1, 3)
        scores = np.matmul(by_head[:, : self.n_heads], keys[:, :, :stop].swapaxes(2, 3))
        if n_new > 1:  # a token sees itself and what precedes it
            hidden = np.arange(stop) > np.arange(start, stop)[:, None]
            scores[..., hidden] = -np.inf
        if self.normalisers is None:  # normalised, they are at most √d_head
            scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        mixed = np.matmul(scores, values[:, :, :stop])  # (B, H, T, d_head)
        mixed /= scores.sum(-1, keepdims=True)
        return apply(mixed.transpose(0, 2, 1, 3).reshape(n_rows * n_new, -1), block.output)


class Block:
    """Attention and, in some architectures, feed-forward."""

    def __init__(self, config: SelfAttentionConfig, weights: Arrays, name: str) -> None:
        pre = config.norm_position == "pre"
        self.attention_norm = Norm(config.norm, weights, f"{name}.attention_norm")
        maps = linear_map(weights, f"{name}.attention.query_key_value")
        if not config.qk_norm:
            maps = _scaled(maps, config.n_heads * config.head_width, config.head_width**-0.5)
        if config.positional_encoding == "rotary":
            maps = _pairs_together(maps, config.n_heads, config.head_width)
        self.query_key_value = self.attention_norm.into(maps) if pre else maps
        self.output = linear_map(weights, f"{name}.attention.output")
        self.feed_forward_norm: Norm | None = None

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        """(N, d) -> (N, d)"""
        raise NotImplementedError


class Norm:
    """An RMS or layer norm; what it multiplies by can be folded into the map behind it."""

    def __init__(self, kind: str, weights: Arrays, name: str) -> None:
        self.kind = kind
        self.weight, self.bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")

    def plain(self, x: np.ndarray) -> np.ndarray:
        """(N, d) -> (N, d), before its weight and bias."""
        if self.kind == "layer":
            x = x - x.mean(1, keepdims=True)
        if len(x) == 1:
            row = x[0]
            return x * np.float32(1 / math.sqrt(row.dot(row) / row.size + EPSILON[self.kind]))
        squares = np.einsum("nd,nd->n", x, x)[:, None] / x.shape[1]
        return x / np.sqrt(squares + EPSILON[self.kind])

    def whole(self, x: np.ndarray) -> np.ndarray:
        """(N, d) -> (N, d)"""
        x = self.plain(x) * self.weight
        return x if self.bias is None else x + self.bias

    def into(self, layer: Map) -> Map:
        """The map behind it such that plain(x) is enough."""
        matrix, bias = layer
        if self.bias is not None:
            bias = self.bias @ matrix + (0 if bias is None else bias)
        return self.weight[:, None] * matrix, bias


def _normalisers(n_heads: int, d_head: int) -> tuple[np.ndarray, np.ndarray]:
    """How queries and keys are normalised: by √(factor · Σx² + summand), each (2 H,).

    Keys are divided by their root mean square, √(Σk²/d + ε). Queries are divided by √d times
    theirs, √(Σq² + dε), so that a product of the two is a score and needs no further division.
    """
    factors = np.repeat([1, 1 / d_head], n_heads)  # queries first, then keys
    return factors.astype(np.float32), (factors * d_head * QK_EPSILON).astype(np.float32)


def _two_level(scores: np.ndarray, n_clusters: int, size: int) -> np.ndarray:
    """(B, C + V) of clusters and tokens -> (B, V) log-probabilities."""
    of_cluster, tokens = scores[:, :n_clusters], scores[:, n_clusters:]
    n_rows, vocab_size = tokens.shape
    within = np.full((n_rows, n_clusters, size), -np.inf, np.float32)
    within.reshape(n_rows, -1)[:, :vocab_size] = tokens
    within += (of_cluster - _log_total(of_cluster))[..., None] - _log_total(within)
    return within.reshape(n_rows, -1)[:, :vocab_size]


def _log_total(x: np.ndarray) -> np.ndarray:
    """ln of the sum of exp(x) over the last dimension: (..., n) -> (..., 1)."""
    most = x.max(-1, keepdims=True)
    return most + np.log(np.exp(x - most).sum(-1, keepdims=True))


def _scaled(layer: Map, n_columns: int, scale: float) -> Map:
    """The first columns of a map times `scale`: queries, so that scores need no scaling."""
    factors = np.ones(layer[0].shape[1], np.float32)
    factors[:n_columns] = scale
    matrix, bias = layer
    return matrix * factors, None if bias is None else bias * factors


def _pairs_together(layer: Map, n_heads: int, d_head: int) -> Map:
    """Queries and keys in an order where the pair (i, i + d_head / 2) is one complex number."""
    matrix, bias = layer
    order = np.arange(d_head).reshape(2, -1).T.ravel()
    heads = np.repeat(np.arange(2 * n_heads) * d_head, d_head) + np.tile(order, 2 * n_heads)
    values = np.arange(2 * n_heads * d_head, int(matrix.shape[1]))
    columns = np.concatenate([heads, values])
    return np.ascontiguousarray(matrix[:, columns]), None if bias is None else bias[columns]


def _sinusoids(length: int, width: int) -> np.ndarray:
    pairs = math.ceil(width / 2)
    angles = np.outer(np.arange(length), 10_000.0 ** (-np.arange(pairs) / pairs))
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return both.reshape(length, -1)[:, :width].astype(np.float32)
