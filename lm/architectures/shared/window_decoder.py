"""Writing with a model over a window of tokens, as plain arrays."""

from __future__ import annotations

import numpy as np

from lm.architectures.shared.arrays import Embeddings, activate, apply, as_float32, linear_map
from lm.architectures.shared.window_config import WindowConfig
from lm.architectures.spec import Arrays, Decoder


class WindowDecoder(Decoder):
    """The embeddings of a window through hidden layers, if there are any, and the output map."""

    config: WindowConfig

    def __init__(
        self,
        config: WindowConfig,
        vocab_size: int,
        weights: Arrays,
        n_hidden: int = 0,
        activation: str = "",
    ) -> None:
        super().__init__(config, vocab_size)
        weights = as_float32(weights)
        self.activation = activation
        self.embed = Embeddings(config, vocab_size, weights)
        self.hidden = [linear_map(weights, f"hidden.{i}") for i in range(n_hidden)]
        self.head = linear_map(weights, "head")

    def fresh(self) -> WindowDecoder:
        return self  # it keeps nothing of what it reads

    def first_read(self, n_tokens: int) -> int:
        return max(0, n_tokens - self.config.context_length)

    def _logits(self, texts: np.ndarray) -> np.ndarray:
        rows = texts[:, self.first_read(texts.shape[1]) :]  # (B, at most W)
        n_embedded = self.config.n_embedded
        x = self.embed(rows)[:, -n_embedded:]  # (B, n, d)
        window = np.zeros((len(rows), n_embedded, x.shape[2]), dtype=np.float32)
        window[:, n_embedded - x.shape[1] :] = x  # before the start there is nothing: zeros
        # as the torch model flattens it: by dimension, then by place
        flat = window.transpose(0, 2, 1).reshape(len(rows), -1)
        for layer in self.hidden:
            flat = activate(self.activation, apply(flat, layer))
        return apply(flat, self.head)
