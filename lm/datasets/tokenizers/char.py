"""Characters: the smallest vocabulary that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lm.base.wording import counted
from lm.datasets.tokenizers.spec import TokenIds, Tokenizer, UnknownTokenError, checked_str, subject


@dataclass(frozen=True, repr=False)
class CharTokenizer(Tokenizer):
    """One token per character; ids follow the order of `alphabet`."""

    alphabet: str
    name = "char"
    title = "characters"
    by_character = True

    @classmethod
    def train(cls, train_text: str, held_out: Sequence[str], vocab_size: int) -> Self:
        """All characters of all the texts, also of those held out, in the order of code points."""
        return cls("".join(sorted(set(train_text).union(*held_out))))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls(checked_str(values["alphabet"]))

    @property
    def vocab_size(self) -> int:
        return len(self.alphabet)

    @cached_property
    def _id_of_code(self) -> TokenIds:
        """Token id of each code point, -1 where there is none; the last entry is for all beyond."""
        codes = _code_points(self.alphabet)
        table = np.full(int(codes.max(initial=0)) + 2, -1, np.int64)
        table[codes] = np.arange(len(codes))
        return table

    def encode(self, text: str) -> TokenIds:
        table = self._id_of_code
        token_ids = table[np.minimum(_code_points(text), len(table) - 1)]
        if token_ids.min(initial=0) < 0:
            unknown = [char for char in dict.fromkeys(text) if char not in self.alphabet]
            raise UnknownTokenError(
                f"{subject('character', unknown)} not in this model's alphabet of "
                f"{counted(self.vocab_size, 'character')}. Remove what it does not know, or use a "
                "byte or BPE model, which knows every text."
            )
        return token_ids

    def decode(self, token_ids: Sequence[int] | TokenIds) -> str:
        return "".join([self.alphabet[token_id] for token_id in token_ids])

    def token_text(self, token_id: int) -> str:
        return self.alphabet[token_id]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name, "alphabet": self.alphabet}


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
