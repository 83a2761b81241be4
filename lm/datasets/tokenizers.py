"""Text to token ids and back: characters, words, bytes and byte-pair encoding.

A tokenizer is a small immutable value: `to_dict` is all there is to it, and equal dicts are equal
tokenizers. Ids are int64 arrays of one dimension.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import tokenizers

WORD_VOCAB_SIZE = 2_000  # from here on tokens are words, and not characters or short byte pairs
EOS = "<eos>"
UNK = "<unk>"
NATS_PER_BYTE = math.log(257)  # spelling: one of 256 bytes, or the end of the word


class UnknownTokenError(ValueError):
    """A text holds what a tokenizer cannot express; the message names it and what is known."""


class Tokenizer(ABC):
    """Text to token ids and back."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of token ids, which are 0 … vocab_size - 1."""

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """Token ids of `text`, int64. Raises `UnknownTokenError`."""

    @abstractmethod
    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """The text of a sequence of ids; bytes that are not UTF-8 become U+FFFD."""

    @abstractmethod
    def token_text(self, token_id: int) -> str:
        """One token as it is to be shown; bytes that are not UTF-8 as <0xE2>."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `tokenizer_from_dict` makes an equal tokenizer."""

    def spelling_nats(self, text: str) -> float:
        """Nats to spell what `encode` replaces by <unk>; 0 where nothing is ever replaced."""
        return 0.0


@dataclass(frozen=True)
class CharTokenizer(Tokenizer):
    """One token per character; ids follow the order of `alphabet`."""

    alphabet: str
    kind: ClassVar[str] = "char"

    @property
    def vocab_size(self) -> int:
        return len(self.alphabet)

    @cached_property
    def _id_of_code(self) -> np.ndarray:
        """Token id of each code point, -1 where there is none; the last entry is for all beyond."""
        codes = _code_points(self.alphabet)
        table = np.full(int(codes.max(initial=0)) + 2, -1, np.int64)
        table[codes] = np.arange(len(codes))
        return table

    def encode(self, text: str) -> np.ndarray:
        table = self._id_of_code
        token_ids = table[np.minimum(_code_points(text), len(table) - 1)]
        if token_ids.min(initial=0) < 0:
            subject = _subject(
                "character", [c for c in dict.fromkeys(text) if c not in self.alphabet]
            )
            raise UnknownTokenError(
                f"{subject} not in this model's alphabet of {self.vocab_size} characters. "
                "Remove what it does not know, or use a byte or BPE model, which knows every text."
            )
        return token_ids

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        return "".join([self.alphabet[token_id] for token_id in token_ids])

    def token_text(self, token_id: int) -> str:
        return self.alphabet[token_id]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "alphabet": self.alphabet}


@dataclass(frozen=True)
class WordTokenizer(Tokenizer):
    """Whitespace-separated words, and one <eos> for each newline.

    A word outside the vocabulary becomes <unk> where the vocabulary has it.
    """

    words: tuple[str, ...]
    kind: ClassVar[str] = "word"

    @property
    def vocab_size(self) -> int:
        return len(self.words)

    @cached_property
    def _id_of_word(self) -> dict[str, int]:
        return {word: token_id for token_id, word in enumerate(self.words)}

    def encode(self, text: str) -> np.ndarray:
        known, words = self._id_of_word, split_words(text)
        default = known.get(UNK, -1)
        token_ids = np.fromiter((known.get(word, default) for word in words), np.int64, len(words))
        if token_ids.min(initial=0) < 0:
            unknown = [word for word in dict.fromkeys(words) if word not in known]
            subject = _subject("word", unknown)
            raise UnknownTokenError(
                f"{subject} not in this model's vocabulary of {self.vocab_size:,} words, which has "
                f"no {UNK}. Use words of its training text."
            )
        return token_ids

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        text = " ".join([self.token_text(token_id) for token_id in token_ids])
        return text.replace("\n ", "\n").replace(" \n", "\n")

    def token_text(self, token_id: int) -> str:
        word = self.words[token_id]
        return "\n" if word == EOS else word

    def spelling_nats(self, text: str) -> float:
        """ln 257 for each UTF-8 byte, and the end, of each word that is not in the vocabulary."""
        unknown = Counter(split_words(text))
        for word in self.words:
            unknown.pop(word, None)
        bytes_and_ends = sum(
            count * (len(word.encode("utf-8", "surrogatepass")) + 1)
            for word, count in unknown.items()
        )
        return bytes_and_ends * NATS_PER_BYTE

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": list(self.words)}


@dataclass(frozen=True)
class ByteTokenizer(Tokenizer):
    """One token per byte of the text's UTF-8."""

    kind: ClassVar[str] = "byte"

    @property
    def vocab_size(self) -> int:
        return 256

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(_utf8(text), np.uint8).astype(np.int64)

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        return bytes(list(token_ids)).decode("utf-8", "replace")

    def token_text(self, token_id: int) -> str:
        return _shown(bytes([token_id]))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind}


@dataclass(frozen=True)
class BPETokenizer(Tokenizer):
    """Byte-pair encoding over bytes (GPT-2's): every text can be expressed.

    `merges` names pairs in GPT-2's spelling, which gives each byte a printable character.
    """

    merges: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "bpe"

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

    def encode(self, text: str) -> np.ndarray:
        _utf8(text)
        pieces = [
            np.array(encoding.ids, np.int64)
            for batch in _batches(_pieces(text))
            for encoding in self._encoder.encode_batch_fast(batch)
        ]
        return np.concatenate([np.empty(0, np.int64), *pieces])

    def decode(self, token_ids: Sequence[int] | np.ndarray) -> str:
        return b"".join([self._tokens[token_id] for token_id in token_ids]).decode(
            "utf-8", "replace"
        )

    def token_text(self, token_id: int) -> str:
        return _shown(self._tokens[token_id])

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "merges": [list(pair) for pair in self.merges]}


def train_tokenizer(
    kind: str, train_text: str, held_out: Sequence[str] = (), bpe_vocab_size: int = 512
) -> Tokenizer:
    """Make a tokenizer from a corpus.

    Words and BPE learn from `train_text` alone. The held-out texts, which will be evaluated, add
    their characters to the alphabet, and decide whether words need an <unk>.
    """
    if kind == "char":
        return CharTokenizer("".join(sorted(set(train_text).union(*held_out))))
    if kind == "word":
        return _train_words(train_text, held_out)
    if kind == "byte":
        return ByteTokenizer()
    if kind == "bpe":
        return _train_bpe(train_text, bpe_vocab_size)
    raise ValueError(f"tokenizer must be one of char, word, byte, bpe. Received: {kind!r}.")


def tokenizer_from_dict(values: dict[str, Any]) -> Tokenizer:
    """Invert `Tokenizer.to_dict`. Raises `ValueError` if it is not such a dict."""
    try:
        kind = values["kind"]
        if kind == "char":
            return CharTokenizer(values["alphabet"])
        if kind == "word":
            return WordTokenizer(tuple(values["words"]))
        if kind == "byte":
            return ByteTokenizer()
        if kind == "bpe":
            return BPETokenizer(tuple((left, right) for left, right in values["merges"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Not a tokenizer: {error!r}.") from None
    raise ValueError(f"tokenizer must be one of char, word, byte, bpe. Received: {kind!r}.")


def split_words(text: str) -> list[str]:
    """The words of a text, with <eos> for each newline."""
    return text.replace("\n", f" {EOS} ").split()


def _train_words(train_text: str, held_out: Sequence[str]) -> WordTokenizer:
    """All words of the train text, most frequent first.

    A text with unknown words and no <unk> of its own gets one, and it must be learnt: words that
    occur once in the train text then stand for the unknown, as is usual for open vocabularies.
    """
    counts = Counter(split_words(train_text))
    if UNK not in counts and not all(counts.keys() >= set(split_words(t)) for t in held_out):
        once = [word for word, count in counts.items() if count == 1 and word != EOS]
        for word in once:
            del counts[word]
        counts[UNK] = len(once)
    return WordTokenizer(tuple(word for word, _ in counts.most_common()))


def _train_bpe(train_text: str, vocab_size: int) -> BPETokenizer:
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    trainer = BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=_byte_alphabet(), show_progress=False
    )
    tokenizer = _byte_level(BPE())
    tokenizer.train_from_iterator(_pieces(train_text), trainer)
    return BPETokenizer(tuple(map(tuple, json.loads(tokenizer.to_str())["model"]["merges"])))


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


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnknownTokenError(
            f"The text holds half of a character, {text[error.start]!r} at position "
            f"{error.start}, which has no UTF-8. Remove it."
        ) from None


def _shown(token: bytes) -> str:
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return "".join([f"<0x{byte:02X}>" for byte in token])


def _subject(noun: str, items: list[str], most: int = 5) -> str:
    """The start of a sentence: The character 'é' is, The characters 'é' and 'ü' are."""
    names = [repr(item) for item in items[:most]]
    if len(items) > most:
        names.append(f"{len(items) - most} more")
    if len(names) == 1:
        return f"The {noun} {names[0]} is"
    return f"The {noun}s {', '.join(names[:-1])} and {names[-1]} are"
