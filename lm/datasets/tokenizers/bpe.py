"""Byte-pair encoding: frequent sequences of bytes as tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lm.datasets.tokenizers.spec import TokenIds, Tokenizer, bytes_as_text, checked_str, utf8

if TYPE_CHECKING:
    import tokenizers


@dataclass(frozen=True, repr=False)
class BPETokenizer(Tokenizer):
    """Byte-pair encoding over bytes (GPT-2's): every text can be expressed.

    `merges` names pairs in GPT-2's spelling, which gives each byte a printable character.
    """

    merges: tuple[tuple[str, str], ...]
    name = "bpe"
    title = "byte pairs"
    sized = True

    @classmethod
    def train(cls, train_text: str, held_out: Sequence[str], vocab_size: int) -> Self:
        """Join the most frequent pairs of the train text until there are `vocab_size` tokens."""
        from tokenizers.models import BPE
        from tokenizers.trainers import BpeTrainer

        trainer = BpeTrainer(
            vocab_size=vocab_size, initial_alphabet=_byte_alphabet(), show_progress=False
        )
        encoder = _byte_level(BPE())
        encoder.train_from_iterator(_pieces(train_text), trainer)
        return cls.from_dict(json.loads(encoder.to_str())["model"])

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        pairs = values["merges"]
        return cls(tuple((checked_str(left), checked_str(right)) for left, right in pairs))

    @property
    def vocab_size(self) -> int:
        return len(self._id_of_token)

    @cached_property
    def _id_of_token(self) -> dict[str, int]:
        tokens = chain(_byte_alphabet(), ("".join(pair) for pair in self.merges))
        return {token: token_id for token_id, token in enumerate(dict.fromkeys(tokens))}

    @cached_property
    def _tokens(self) -> list[bytes]:
        byte_of_char = _byte_of_char()
        return [bytes(byte_of_char[char] for char in token) for token in self._id_of_token]

    @cached_property
    def _encoder(self) -> tokenizers.Tokenizer:
        from tokenizers.models import BPE

        return _byte_level(BPE(vocab=self._id_of_token, merges=list(self.merges)))

    def encode(self, text: str) -> TokenIds:
        utf8(text)
        pieces = [
            np.array(encoding.ids, np.int64)
            for batch in _batches(_pieces(text))
            for encoding in self._encoder.encode_batch_fast(batch)
        ]
        return np.concatenate([np.empty(0, np.int64), *pieces])

    def decode(self, token_ids: Sequence[int] | TokenIds) -> str:
        return b"".join([self._tokens[token_id] for token_id in token_ids]).decode(
            "utf-8", "replace"
        )

    def token_text(self, token_id: int) -> str:
        return bytes_as_text(self._tokens[token_id])

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name, "merges": [list(pair) for pair in self.merges]}


def _byte_level(model: Any) -> tokenizers.Tokenizer:
    from tokenizers import Tokenizer as Encoder
    from tokenizers.pre_tokenizers import ByteLevel

    encoder = Encoder(model)
    encoder.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return encoder


def _byte_of_char() -> dict[str, int]:
    """GPT-2's printable character for each byte: itself if visible, else from U+0100 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    rest = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + i): b for i, b in enumerate(rest)}


def _byte_alphabet() -> list[str]:
    return sorted(_byte_of_char())


# A space between two words always begins a token, so a text may be cut there.
_CUT = re.compile(r"(?<=\S)(?= \S)")


def _pieces(text: str, length: int = 16_384) -> Iterator[str]:
    """`text` in pieces of at least `length` characters that are encoded like the whole."""
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + length)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def _batches(pieces: Iterable[str], size: int = 64) -> Iterator[list[str]]:
    batch: list[str] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
