"""What it costs to spell a word that a vocabulary lacks, character by character.

A model of words says `<unk>` for it and leaves out which word it was. For its bits per character to
be comparable with those of other tokens, the word has to be told as well, by something that has
learnt from the train split alone, as the model has: here an n-gram of characters, with a mark at
the end of each word, of the distinct words of that split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from lm.datasets.counting.kneser_ney import NGram

ORDER = 6
END, OTHER = 0, 1  # the end of a word; a character that no word of the train split has
N_CODE_POINTS = 0x110000  # of Unicode: which one the other character is


class Spelling:
    """p(word) = Π p(character | the ORDER - 1 before it in the word) · p(end | the last ones)."""

    def __init__(self, words: Iterable[str]) -> None:
        """`words` to learn from; how often one is given does not matter."""
        distinct = sorted(set(words))
        alphabet = sorted(set("".join(distinct)))
        self._id_of = {character: i for i, character in enumerate(alphabet, OTHER + 1)}
        stream, _ = self._stream(distinct)
        self._ngram = NGram(stream, len(alphabet) + 2, ORDER)

    def nats(self, words: Mapping[str, int]) -> float:
        """-ln p of some words, each as often as it is said to occur."""
        if not words:
            return 0.0
        stream, of_word = self._stream(words)
        nats = -np.log(self._ngram.score(stream).p)
        nats += (stream == OTHER) * math.log(N_CODE_POINTS)
        times = np.append(list(words.values()), 0)  # the last: ends that only keep words apart
        return float((nats * times[of_word]).sum())

    def _stream(self, words: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Words as one stream, so far apart that no gram holds parts of two; and whose each is.

        The characters of a word and the first end after it belong to its place; all else to -1.
        """
        apart = [END] * (ORDER - 1)
        stream, of_word = list(apart), [-1] * len(apart)
        for i, word in enumerate(words):
            ids = [self._id_of.get(character, OTHER) for character in word]
            stream += ids + apart
            of_word += [i] * (len(ids) + 1) + [-1] * (len(apart) - 1)
        return np.array(stream), np.array(of_word)
