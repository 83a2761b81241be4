"""What a tokenizer is: the base of the files beside this one.

A tokenizer is a small immutable value: `to_dict` is all there is to it, and equal dicts are equal
tokenizers. A new kind is a file with a subclass of `Tokenizer`, and one line in `registry.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

TokenIds = NDArray[np.int64]  # of one dimension


class UnknownTokenError(ValueError):
    """A text holds what a tokenizer cannot express; the message names it, and what it can."""


class Tokenizer(ABC):
    """Text to token ids and back."""

    name: ClassVar[str]
    title: ClassVar[str]  # what its tokens are: "characters"
    sized: ClassVar[bool] = False  # whether it is told how many tokens to have
    by_character: ClassVar[bool] = False  # whether a token is about as long as a character
    separator: ClassVar[str] = ""  # what stands between two tokens in a text

    @classmethod
    @abstractmethod
    def train(cls, train_text: str, held_out: Sequence[str], vocab_size: int) -> Self:
        """Make one from a corpus.

        What it learns, it learns from `train_text`; the held-out texts may decide what it must
        be able to express. Only one that is `sized` heeds `vocab_size`.
        """

    @classmethod
    @abstractmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Invert `to_dict`. Raises KeyError, TypeError or ValueError if it is not such a dict."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, among them `"kind": name`."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of token ids, which are 0 … vocab_size - 1."""

    @abstractmethod
    def encode(self, text: str) -> TokenIds:
        """Token ids of `text`. Raises `UnknownTokenError`."""

    @abstractmethod
    def decode(self, token_ids: Sequence[int] | TokenIds) -> str:
        """The text of a sequence of ids; bytes that are not UTF-8 become U+FFFD."""

    @abstractmethod
    def token_text(self, token_id: int) -> str:
        """One token for a person to read; bytes that are not UTF-8 as <0xE2>."""

    def unknown(self, text: str) -> Counter[str]:
        """The words that `encode` replaces by <unk>, and how often; none where it never does."""
        return Counter()

    def count_words(self, token_ids: TokenIds) -> tuple[int, int] | tuple[None, None]:
        """How many of some tokens are words, and how many <unk>; None where tokens are others."""
        return None, None

    def spacing(self, text: str) -> dict[str, Counter[str]]:
        """The white space of `text` that its tokens do not tell; none where they tell all.

        By the kind of place, each distinct piece of white space and how often it stands there; a
        place is known from the tokens. It may be "".
        """
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(vocabulary of {self.vocab_size:,})"


def utf8(text: str) -> bytes:
    """The text's bytes. Raises `UnknownTokenError` for half of a character."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnknownTokenError(
            f"The text holds half of a character, {text[error.start]!r} at position "
            f"{error.start}, which has no UTF-8. Remove it."
        ) from None


def bytes_as_text(token: bytes) -> str:
    """A token of bytes for a person to read."""
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return "".join([f"<0x{byte:02X}>" for byte in token])


def checked_str(value: object) -> str:
    """`value`, which must be one. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def subject(noun: str, items: Sequence[str], most: int = 5) -> str:
    """The start of a sentence: The character 'é' is, The characters 'é' and 'ü' are."""
    names = [repr(item) for item in items[:most]]
    if len(items) > most:
        names.append(f"{len(items) - most} more")
    if len(names) == 1:
        return f"The {noun} {names[0]} is"
    return f"The {noun}s {', '.join(names[:-1])} and {names[-1]} are"
