"""Words: what stands between white space, as Penn Treebank and WikiText are scored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from lm.datasets.tokenizers.spec import TokenIds, Tokenizer, UnknownTokenError, checked_str, subject

EOS = "<eos>"
UNK = "<unk>"
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, repr=False)
class WordTokenizer(Tokenizer):
    """Whitespace-separated words, and one <eos> for each newline.

    A word outside the vocabulary becomes <unk> where the vocabulary has it.
    """

    words: tuple[str, ...]
    name = "word"
    title = "words"
    separator = " "

    @classmethod
    def train(cls, train_text: str, held_out: Sequence[str], vocab_size: int) -> Self:
        """All words of the train text, most frequent first.

        A text with unknown words and no <unk> of its own gets one, and it must be learnt: words
        that occur once in the train text then stand for the unknown, as is usual for open
        vocabularies.
        """
        counts = Counter(split_words(train_text))
        if UNK not in counts and not all(counts.keys() >= set(split_words(t)) for t in held_out):
            once = [word for word, count in counts.items() if count == 1 and word != EOS]
            for word in once:
                del counts[word]
            counts[UNK] = len(once)
        return cls(tuple(word for word, _ in counts.most_common()))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls(tuple(checked_str(word) for word in values["words"]))

    @property
    def vocab_size(self) -> int:
        return len(self.words)

    @cached_property
    def _id_of_word(self) -> dict[str, int]:
        return {word: token_id for token_id, word in enumerate(self.words)}

    def encode(self, text: str) -> TokenIds:
        ids, words = self._id_of_word, split_words(text)
        default = ids.get(UNK, -1)
        token_ids = np.fromiter((ids.get(word, default) for word in words), np.int64, len(words))
        if token_ids.min(initial=0) < 0:
            unknown = [word for word in dict.fromkeys(words) if word not in ids]
            raise UnknownTokenError(
                f"{subject('word', unknown)} not in this model's vocabulary of "
                f"{self.vocab_size:,} words, which has no {UNK}. Use words of its training text."
            )
        return token_ids

    def decode(self, token_ids: Sequence[int] | TokenIds) -> str:
        text = " ".join([self.token_text(token_id) for token_id in token_ids])
        return text.replace("\n ", "\n").replace(" \n", "\n")

    def token_text(self, token_id: int) -> str:
        word = self.words[token_id]
        return "\n" if word == EOS else word

    def unknown(self, text: str) -> Counter[str]:
        words = Counter(split_words(text))
        for word in self.words:
            words.pop(word, None)
        return words

    def count_words(self, token_ids: TokenIds) -> tuple[int, int]:
        n_unknown, n_ends = (
            int(np.count_nonzero(token_ids == self._id_of_word.get(word, -1)))
            for word in (UNK, EOS)
        )
        return len(token_ids) - n_ends, n_unknown

    def spacing(self, text: str) -> dict[str, Counter[str]]:
        begin, between, end, blank = (Counter[str]() for _ in range(4))
        for line in text.split("\n"):
            words = line.split()
            if not words:
                blank[line] += 1
                continue
            inner = line.strip()
            begin[line[: line.index(inner[0])]] += 1
            end[line[len(line.rstrip()) :]] += 1
            if inner == " ".join(words):
                between[" "] += len(words) - 1
            else:
                between.update(_SPACE.findall(inner))
        return {"between": between, "begin": begin, "end": end, "blank": blank}

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name, "words": list(self.words)}


def split_words(text: str) -> list[str]:
    """The words of a text, with <eos> for each newline."""
    return text.replace("\n", f" {EOS} ").split()
