"""The settings of models over a window of tokens."""

from __future__ import annotations

import typing

from pydantic import model_validator

from lm.architectures.shared import fields
from lm.architectures.spec import ArchitectureConfig


class WindowConfig(ArchitectureConfig, frozen=True):
    """A prediction reads the embeddings of the last `context_length` tokens, whatever its row."""

    context_length: int = fields.context_length(8)
    d_embed: int = fields.d_embed(32)
    ngram_order: int = fields.ngram_order()
    ngram_rows: int = fields.ngram_rows()
    ngram_width: int = fields.ngram_width()
    ngram_dropout: float = fields.ngram_dropout()

    @property
    def lookback(self) -> int:
        return self.context_length - 1

    @property
    def longest_row(self) -> int | None:
        return None

    @property
    def n_embedded(self) -> int:
        """Embeddings in a window: one for each longest n-gram that lies in it."""
        return self.context_length - self.ngram_order + 1

    @model_validator(mode="after")
    def _check_ngrams(self) -> typing.Self:
        fields.check_ngrams(self.ngram_order, self.context_length)
        return self
