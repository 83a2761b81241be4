"""Corpora and a tokenizer that exist in tests alone: what a new one has to say of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lm.datasets import Dataset, Splits
from lm.datasets.config import DataConfig
from lm.datasets.folder import FolderDataset
from lm.datasets.textfile import sha256_of
from lm.datasets.tokenizers import TokenIds, Tokenizer


class Notes(FolderDataset):
    """Three files that nobody can download."""

    name = "notes"
    title = "Notes"
    description = "What was written down."
    licence = "private"
    source = "a drawer"


class Rabbits(Dataset):
    """Fibonacci's words: a text from nothing, cut in two ways."""

    name = "rabbits"
    title = "Fibonacci's rabbits"
    description = "Each line is the two before it."
    licence = "MIT, as this project"
    source = "Liber abaci"
    default_tokenizer = "nibble"
    splits = ("study", "halves")
    settings = frozenset({"seed"})

    def read(self, data: DataConfig) -> Splits:
        lines = ["a", "ab"]
        for _ in range(12 + data.seed):
            lines.append(lines[-1] + " " + lines[-2])
        text = "\n".join(lines)
        if data.split == "halves":
            middle = len(text) // 2
            return Splits(text[:middle], text[middle:], None, sha256_of(text))
        first, second = len(text) // 3, 2 * len(text) // 3
        return Splits(text[:first], text[first:second], text[second:], sha256_of(text))


@dataclass(frozen=True, repr=False)
class NibbleTokenizer(Tokenizer):
    """Half bytes: two tokens for each byte of a text's UTF-8, the high one first."""

    name = "nibble"
    title = "half bytes"

    @classmethod
    def train(cls, train_text: str, held_out: Sequence[str], vocab_size: int) -> Self:
        return cls()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name}

    @property
    def vocab_size(self) -> int:
        return 16

    def encode(self, text: str) -> TokenIds:
        return np.array([int(digit, 16) for digit in text.encode().hex()], np.int64)

    def decode(self, token_ids: Sequence[int] | TokenIds) -> str:
        digits = "".join([f"{token_id:x}" for token_id in token_ids])
        return bytes.fromhex(digits.ljust(len(digits) + len(digits) % 2, "f")).decode(
            "utf-8", "replace"
        )

    def token_text(self, token_id: int) -> str:
        return f"{token_id:x}"
