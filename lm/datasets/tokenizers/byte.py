"""Bytes: 256 tokens that express every text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lm.datasets.tokenizers.spec import TokenIds, Tokenizer, bytes_as_text, utf8


@dataclass(frozen=True, repr=False)
class ByteTokenizer(Tokenizer):
    """One token per byte of the text's UTF-8."""

    name = "byte"
    title = "bytes"
    by_character = True

    @classmethod
    def train(cls, train_text: str, held_out: Sequence[str], vocab_size: int) -> Self:
        return cls()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls()

    @property
    def vocab_size(self) -> int:
        return 256

    def encode(self, text: str) -> TokenIds:
        return np.frombuffer(utf8(text), np.uint8).astype(np.int64)

    def decode(self, token_ids: Sequence[int] | TokenIds) -> str:
        return bytes(list(token_ids)).decode("utf-8", "replace")

    def token_text(self, token_id: int) -> str:
        return bytes_as_text(bytes([token_id]))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name}
