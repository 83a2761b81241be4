"""Logits of the next token from plain arrays: a model as NumPy sees it, for writing text.

At these sizes the products of a single token take less time than the steps around them, so what
counts is how few array operations a token takes: weights of norms are folded into the matrices
behind them, queries and keys are turned as complex numbers, and keys and values are kept. The
logits are those of `lm.architectures.shared.models` to rounding. No torch.

A product of microseconds gains nothing from a second processor and loses much where others want
it, so NumPy's BLAS is held to one thread.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from lm.architectures.configs import (
    ROTARY_BASE,
    AttentionConfig,
    LinearConfig,
    MLPConfig,
    ModelConfig,
    TransformerConfig,
)
from lm.architectures.modules import cluster_shape
from lm.architectures.shared.hashing import table_rows

EPSILON = {"rms": 1e-6, "layer": 1e-5}
QK_EPSILON = float(np.finfo(np.float32).eps)

Arrays = Mapping[str, np.ndarray]
Past = list[np.ndarray]  # of each block, (2, B, H, context, d_head): keys and values

threadpool_limits(1, user_api="blas")


class Decoder:
    """Reads texts that grow together and says what comes next.

    All texts of a batch have the same length; `row_start` says which part of them is read.
    """

    def __init__(self, config: ModelConfig, vocab_size: int, weights: Arrays) -> None:
        """`weights` by the names of `lm.architectures.shared.models.weights`."""
        self.config, self.vocab_size = config, vocab_size
        known = {name: np.asarray(array, dtype=np.float32) for name, array in weights.items()}
        self._network: _Window | _SelfAttention
        embeddings = _Embeddings(config, vocab_size, known)
        if isinstance(config, LinearConfig | MLPConfig):
            self._network = _Window(config, embeddings, known)
        else:
            self._network = _SelfAttention(config, embeddings, known)
        self._past: Past = []
        self._start = self._n_read = 0

    def fresh(self) -> Decoder:
        """The same model before it has read anything."""
        other = copy.copy(self)
        other._past, other._n_read = [], 0
        return other

    def logits(self, texts: np.ndarray) -> np.ndarray:
        """(B, V) float32 after `texts` (B, n >= 1), which begin with those of the call before."""
        with np.errstate(over="ignore", invalid="ignore"):  # weights that diverged
            return self._logits(texts)

    def _logits(self, texts: np.ndarray) -> np.ndarray:
        n = texts.shape[1]
        start = row_start(self.config, n)
        if isinstance(self._network, _Window):
            return self._network.logits(texts[:, start:])
        if start != self._start or self._n_read <= start or self._n_read >= n:
            self._start = self._n_read = start
        read, self._n_read = self._n_read - start, n
        return self._network.logits(texts[:, start:], read, self._past)


def row_start(config: ModelConfig, n_tokens: int) -> int:
    """Index of the first token that a model reads to continue a text of `n_tokens`.

    A window model reads its last `context_length`. Self-attention has a position for each of
    `context_length` tokens; once they are used up it starts again from the last half of them,
    so that a cache is rebuilt once per half context.
    """
    length = config.context_length
    if n_tokens <= length:
        return 0
    if isinstance(config, LinearConfig | MLPConfig):
        return n_tokens - length
    half = max(1, length // 2)
    return n_tokens - half - (n_tokens - length - 1) % (length - half + 1)


# --- the parts ------------------------------------------------------------------------------------


def _linear(weights: Arrays, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """A map as (in, out) and its bias."""
    bias = weights.get(f"{name}.bias")
    return np.ascontiguousarray(weights[f"{name}.weight"].T), bias


def _apply(x: np.ndarray, layer: tuple[np.ndarray, np.ndarray | None]) -> np.ndarray:
    matrix, bias = layer
    y = x @ matrix
    if bias is not None:
        y += bias
    return y


def _activate(kind: str, x: np.ndarray) -> np.ndarray:
    if kind == "relu":
        return np.maximum(x, 0, out=x)
    if kind == "relu2":
        x = np.maximum(x, 0, out=x)
        return np.multiply(x, x, out=x)
    if kind == "gelu":
        return (0.5 * x * (1 + _erf(x * math.sqrt(0.5)))).astype(np.float32)
    return x / (1 + np.exp(-x))  # silu, the gate of swiglu


def _erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 7.1.26, exact to 1.5e-7."""
    positive = np.abs(x.astype(np.float64))
    t = 1 / (1 + 0.3275911 * positive)
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    series = np.polyval([*factors, 0.0], t)
    return np.sign(x) * (1 - series * np.exp(-(positive**2)))


class _Embeddings:
    """What a token and the n-grams that end at it bring."""

    def __init__(self, config: ModelConfig, vocab_size: int, weights: Arrays) -> None:
        self.order, self.n_rows = config.ngram_order, config.ngram_rows
        self.vocab_size = vocab_size
        self.tokens = weights["embedding.weight"]
        self.ngrams = weights.get("ngram_embedding.weight")
        self.projection: np.ndarray | None = None
        if self.ngrams is not None:
            self.projection, _ = _linear(weights, "ngram_projection")

    def __call__(self, rows: np.ndarray, start: int = 0) -> np.ndarray:
        """Of rows (B, T), from position `start` on -> (B, T - start, d)"""
        x = self.tokens[rows[:, start:]]
        if self.ngrams is None or self.projection is None:
            return x
        first = start - self.order + 1
        padded = rows[:, max(0, first) :].astype(np.int64) + 1
        padded = np.pad(padded, ((0, 0), (max(0, -first), 0)))
        places = table_rows(padded, self.order, self.vocab_size, self.n_rows)
        ngrams = self.ngrams[np.stack(places, axis=-1)]  # (B, T - start, order - 1, width)
        return x + ngrams.reshape(*x.shape[:2], -1) @ self.projection


class _Window:
    """`linear` and `mlp`: the embeddings of a window through a few maps."""

    def __init__(
        self, config: LinearConfig | MLPConfig, embed: _Embeddings, weights: Arrays
    ) -> None:
        self.width = config.context_length - config.ngram_order + 1
        self.activation = config.activation if isinstance(config, MLPConfig) else ""
        self.embed = embed
        n_hidden = config.n_layers if isinstance(config, MLPConfig) else 0
        self.hidden = [_linear(weights, f"hidden.{i}") for i in range(n_hidden)]
        self.head = _linear(weights, "head")

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """(B, at most W) -> (B, V)"""
        x = self.embed(rows)[:, -self.width :]  # (B, n, d)
        window = np.zeros((len(rows), self.width, x.shape[2]), dtype=np.float32)
        window[:, self.width - x.shape[1] :] = x  # before the start there is nothing: zeros
        # as lm.architectures.shared.models flattens it: by dimension, then by place
        flat = window.transpose(0, 2, 1).reshape(len(rows), -1)
        for layer in self.hidden:
            flat = _activate(self.activation, _apply(flat, layer))
        return _apply(flat, self.head)


class _Norm:
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

    def into(
        self, layer: tuple[np.ndarray, np.ndarray | None]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The map behind it such that plain(x) is enough."""
        matrix, bias = layer
        if self.bias is not None:
            bias = self.bias @ matrix + (0 if bias is None else bias)
        return self.weight[:, None] * matrix, bias


class _SelfAttention:
    """`attention` and `transformer`, with the keys and values of what was read."""

    def __init__(
        self, config: AttentionConfig | TransformerConfig, embed: _Embeddings, weights: Arrays
    ) -> None:
        self.pre = config.norm_position == "pre"
        self.length, self.d_head = config.context_length, config.d_head
        self.n_heads = config.n_heads
        # |query|² and |key|² to what they are divided by, squared: norms, and scores' own scale
        self.normalisers: tuple[np.ndarray, np.ndarray] | None = None
        if config.qk_norm:
            of_queries = np.repeat([True, False], self.n_heads)
            by = np.where(of_queries, 1, 1 / self.d_head)
            self.normalisers = np.float32(by), np.float32(by * self.d_head * QK_EPSILON)
        self.embed = embed
        self.positions: np.ndarray | None = weights.get("position_embedding.weight")
        self.rotations: np.ndarray | None = None  # (length, 1, d_head / 2), complex
        if config.positional_encoding == "sinusoidal":
            self.positions = _sinusoids(self.length, config.d_model)
        elif config.positional_encoding == "rotary":
            pairs = self.d_head // 2
            angles = np.outer(np.arange(self.length), ROTARY_BASE ** (-np.arange(pairs) / pairs))
            self.rotations = np.exp(1j * angles).astype(np.complex64)[:, None]
        self.blocks = [_Block(config, weights, f"blocks.{i}") for i in range(config.n_layers)]
        words = weights.get("head.weight", embed.tokens)
        self.clusters: tuple[int, int] | None = None  # of a two-level softmax: how many, how large
        if config.output == "two_level":
            self.clusters = cluster_shape(len(words))
            words = np.concatenate([weights["head.clusters.weight"], words])
        head = np.ascontiguousarray(words.T), None
        self.final_norm: _Norm | None = None
        if self.pre:
            self.final_norm = _Norm(config.norm, weights, "final_norm")
            head = self.final_norm.into(head)
        self.head = head

    def logits(self, rows: np.ndarray, n_read: int, past: Past) -> np.ndarray:
        """(B, n_read + T) tokens; of the first `n_read`, `past` are keys and values -> (B, V)."""
        n_rows, n_new = len(rows), rows.shape[1] - n_read
        if n_read == 0:
            shape = (2, n_rows, self.n_heads, self.length, self.d_head)
            past[:] = [np.empty(shape, np.float32) for _ in self.blocks]
        stop = n_read + n_new
        x = self.embed(rows, n_read).reshape(n_rows * n_new, -1)  # (B T, d)
        if self.positions is not None:
            x = x + np.tile(self.positions[n_read:stop], (n_rows, 1))
        for block, keys_values in zip(self.blocks, past, strict=True):
            if self.pre:
                qkv = _apply(block.attention_norm.plain(x), block.query_key_value)
                x = x + self._attend(block, qkv, keys_values, n_read)
                if block.feed_forward_norm is not None:
                    x += block.feed_forward(block.feed_forward_norm.plain(x))
            else:
                qkv = _apply(x, block.query_key_value)
                x = x + self._attend(block, qkv, keys_values, n_read)
                x = block.attention_norm.whole(x)
                if block.feed_forward_norm is not None:
                    x = block.feed_forward_norm.whole(x + block.feed_forward(x))
        last = x[n_new - 1 :: n_new]
        if self.final_norm is not None:
            last = self.final_norm.plain(last)
        logits = _apply(last, self.head)
        return logits if self.clusters is None else _two_level(logits, *self.clusters)

    def _attend(
        self, block: _Block, qkv: np.ndarray, keys_values: np.ndarray, start: int
    ) -> np.ndarray:
        """(B T, 3 H d_head) -> (B T, d)"""
        keys, values = keys_values
        n_rows = len(keys)
        n_new = len(qkv) // n_rows
        stop = start + n_new
        split = qkv.reshape(n_rows, n_new, 3 * self.n_heads, self.d_head)
        query_key = split[:, :, : 2 * self.n_heads]
        if self.normalisers is not None:
            squares = np.einsum("bthd,bthd->bth", query_key, query_key)
            squares *= self.normalisers[0]
            squares += self.normalisers[1]
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
        return _apply(mixed.transpose(0, 2, 1, 3).reshape(n_rows * n_new, -1), block.output)


def _two_level(scores: np.ndarray, n_clusters: int, size: int) -> np.ndarray:
    """(B, C + V) of clusters and tokens -> (B, V) log-probabilities."""
    of_cluster, tokens = scores[:, :n_clusters], scores[:, n_clusters:]
    n_rows, vocab_size = tokens.shape
    within = np.full((n_rows, n_clusters, size), -np.inf, np.float32)
    within.reshape(n_rows, -1)[:, :vocab_size] = tokens
    within += (of_cluster - _log_total(of_cluster))[..., None] - _log_total(within)
    return within.reshape(n_rows, -1)[:, :vocab_size]


def _log_total(x: np.ndarray) -> np.ndarray:
    """(..., n) -> (..., 1)"""
    most = x.max(-1, keepdims=True)
    return most + np.log(np.exp(x - most).sum(-1, keepdims=True))


class _Block:
    def __init__(
        self, config: AttentionConfig | TransformerConfig, weights: Arrays, name: str
    ) -> None:
        def linear(part: str) -> tuple[np.ndarray, np.ndarray | None]:
            return _linear(weights, f"{name}.{part}")

        pre = config.norm_position == "pre"
        self.attention_norm = _Norm(config.norm, weights, f"{name}.attention_norm")
        maps = linear("attention.query_key_value")
        if not config.qk_norm:
            maps = _scaled(maps, config.n_heads * config.d_head, config.d_head**-0.5)
        if config.positional_encoding == "rotary":
            maps = _pairs_together(maps, config.n_heads, config.d_head)
        self.query_key_value = self.attention_norm.into(maps) if pre else maps
        self.output = linear("attention.output")
        self.feed_forward_norm: _Norm | None = None
        if isinstance(config, TransformerConfig):
            self.activation = config.activation
            norm = self.feed_forward_norm = _Norm(config.norm, weights, f"{name}.feed_forward_norm")
            up = linear("feed_forward.up")
            self.up = norm.into(up) if pre else up
            self.down = linear("feed_forward.down")
            if config.activation == "swiglu":
                gate = linear("feed_forward.gate")
                self.gate = norm.into(gate) if pre else gate

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        """(N, d) -> (N, d)"""
        if self.activation == "swiglu":
            inner = _activate("silu", _apply(x, self.gate)) * _apply(x, self.up)
        else:
            inner = _activate(self.activation, _apply(x, self.up))
        return _apply(inner, self.down)


def _scaled(
    layer: tuple[np.ndarray, np.ndarray | None], n_columns: int, scale: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """The first columns of a map times `scale`: queries, so that scores need no scaling."""
    factors = np.ones(layer[0].shape[1], np.float32)
    factors[:n_columns] = scale
    matrix, bias = layer
    return matrix * factors, None if bias is None else bias * factors


def _pairs_together(
    layer: tuple[np.ndarray, np.ndarray | None], n_heads: int, d_head: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Queries and keys in an order where the pair (i, i + d_head / 2) is one complex number."""
    matrix, bias = layer
    order = np.arange(d_head).reshape(2, -1).T.ravel()
    head = np.arange(2 * n_heads)[:, None] * d_head + order
    columns = np.concatenate([head.ravel(), np.arange(2 * n_heads * d_head, matrix.shape[1])])
    return np.ascontiguousarray(matrix[:, columns]), None if bias is None else bias[columns]


def _sinusoids(length: int, width: int) -> np.ndarray:
    pairs = math.ceil(width / 2)
    angles = np.outer(np.arange(length), 10_000.0 ** (-np.arange(pairs) / pairs))
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return both.reshape(length, -1)[:, :width].astype(np.float32)
