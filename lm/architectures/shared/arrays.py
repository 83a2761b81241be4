"""Plain arrays in place of torch's layers: linear maps, non-linearities and embeddings.

At these sizes the products of a single token take less time than the steps around them, so what
counts is how few array operations a token takes. No torch.
"""

from __future__ import annotations

import math

import numpy as np

from lm.architectures.shared.hashing import table_rows
from lm.architectures.shared.self_attention_config import SelfAttentionConfig
from lm.architectures.shared.window_config import WindowConfig
from lm.architectures.spec import Arrays

Map = tuple[np.ndarray, np.ndarray | None]  # a matrix (in, out), and its offset


def linear_map(weights: Arrays, name: str) -> Map:
    """The weights of a linear map by its name, as (in, out), and its bias if it has one."""
    bias = weights.get(f"{name}.bias")
    return np.ascontiguousarray(weights[f"{name}.weight"].T), bias


def apply(x: np.ndarray, layer: Map) -> np.ndarray:
    """The product of x (N, in) and a linear map: (N, out)."""
    matrix, bias = layer
    y = x @ matrix
    if bias is not None:
        y += bias
    return y


def activate(kind: str, x: np.ndarray) -> np.ndarray:
    """A non-linearity by name, of every element of x, which may be overwritten."""
    if kind == "relu":
        return np.maximum(x, 0, out=x)
    if kind == "relu2":
        x = np.maximum(x, 0, out=x)
        return np.multiply(x, x, out=x)
    if kind == "gelu":
        # late, for it takes a tenth of a second, and few models need it
        from scipy.special import erf  # pyright: ignore - scipy has no type stubs

        return 0.5 * x * (1 + erf(x * np.float32(math.sqrt(0.5))))
    return x / (1 + np.exp(-x))  # silu, the gate of swiglu


def as_float32(weights: Arrays) -> Arrays:
    """The same weights in the precision that is computed in."""
    return {name: np.asarray(array, dtype=np.float32) for name, array in weights.items()}


class Embeddings:
    """The embedding of each token, and of the n-grams that end at it."""

    def __init__(
        self, config: WindowConfig | SelfAttentionConfig, vocab_size: int, weights: Arrays
    ) -> None:
        self.order, self.n_rows = config.ngram_order, config.ngram_rows
        self.vocab_size = vocab_size
        self.tokens = weights["embedding.weight"]
        self.ngrams = weights.get("ngram_embedding.weight")
        if self.ngrams is not None:
            self.projection, _ = linear_map(weights, "ngram_projection")

    def __call__(self, rows: np.ndarray, start: int = 0) -> np.ndarray:
        """Token ids (B, T) -> (B, T - start, d), for the positions from `start` on."""
        x = self.tokens[rows[:, start:]]
        if self.ngrams is None:
            return x
        text = rows[:, max(0, start - self.order + 1) :]
        padded = np.zeros((len(rows), self.order - 1 + x.shape[1]), dtype=np.int64)
        padded[:, padded.shape[1] - text.shape[1] :] = text + 1
        places = table_rows(padded, self.order, self.vocab_size, self.n_rows)
        ngrams = self.ngrams[np.stack(places, axis=-1)]  # (B, T - start, order - 1, width)
        return x + ngrams.reshape(*x.shape[:2], -1) @ self.projection
