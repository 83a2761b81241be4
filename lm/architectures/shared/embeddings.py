"""Embeddings of tokens and of the n-grams that end at them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lm.architectures.shared.hashing import table_rows
from lm.architectures.shared.model import LanguageModel
from lm.architectures.shared.products import Linear
from lm.architectures.shared.self_attention_config import SelfAttentionConfig
from lm.architectures.shared.window_config import WindowConfig


class Table(nn.Embedding):
    """nn.Embedding for n-grams: a batch reads few of its many rows."""

    # rows (...,) -> their weights (..., width), while training keeps some of them elsewhere
    reader: Callable[[Tensor], Tensor] | None = None

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if self.reader is None else self.reader(input)


class EmbeddingModel(LanguageModel):
    """A model that begins with `width` features of each token and of its n-grams."""

    def __init__(
        self, config: WindowConfig | SelfAttentionConfig, vocab_size: int, width: int
    ) -> None:
        super().__init__(config, vocab_size)
        self.embedding = nn.Embedding(vocab_size, width)
        self.ngram_order, self.ngram_rows = config.ngram_order, config.ngram_rows
        self.ngram_dropout = config.ngram_dropout
        self.ngram_embedding: Table | None = None
        lengths = config.ngram_order - 1
        if lengths:
            self.ngram_embedding = Table(lengths * config.ngram_rows, config.ngram_width)
            self.ngram_projection = Linear(lengths * config.ngram_width, width, bias=False)
            nn.init.zeros_(self.ngram_embedding.weight)  # at first no more than its last token

    def embed(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, d): each token, and the n-grams that end at it.

        `before`: the last tokens before the row, (B, at most ngram_order - 1).
        """
        x = self.embedding(token_ids)
        if self.ngram_embedding is None:
            return x
        ngrams = self.ngram_embedding(self.ngrams(token_ids, before))  # (B, T, order - 1, width)
        if self.training and self.ngram_dropout:
            kept = torch.ones_like(ngrams[..., :1])
            ngrams = ngrams * F.dropout(kept, self.ngram_dropout)
        return x + self.ngram_projection(ngrams.flatten(2))

    def ngrams(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, order - 1): the table's rows of the n-grams that end at each token."""
        order = self.ngram_order
        text = token_ids + 1
        if before is not None:
            text = torch.cat([before + 1, text], dim=1)
        padded = F.pad(text, (order - 1 + token_ids.shape[1] - text.shape[1], 0))
        return torch.stack(table_rows(padded, order, self.vocab_size, self.ngram_rows), dim=-1)

    def read(self, token_ids: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The arguments with which `features` calls `embed`."""
        return token_ids, None
