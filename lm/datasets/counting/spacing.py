"""What it costs to tell the white space that words leave out: runs of spaces, tabs, indentation.

A tokenizer of words says that two words are apart, and not by what. For bits per character to count
every character of the text, the white space has to be told as well, by something that has learnt
from the train split alone. In each kind of place (between words, at either end of a line, on a line
without words) each piece of white space is as probable as it was frequent there; one more
occurrence is divided among all pieces there could be, by `Spelling`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from lm.datasets.counting.spelling import Spelling


class Spacing:
    """p(piece | kind of place) = (count + p(its spelling)) / (count of the place + 1)."""

    def __init__(self, pieces: Mapping[str, Counter[str]]) -> None:
        """`pieces` to learn from: see `Tokenizer.spacing`."""
        self._pieces = pieces
        self._spelling = Spelling(piece for counts in pieces.values() for piece in counts)

    def nats(self, pieces: Mapping[str, Counter[str]]) -> float:
        """-ln p of some pieces of white space."""
        return sum(
            times * self._nats(place, piece)
            for place, counts in pieces.items()
            for piece, times in counts.items()
        )

    def _nats(self, place: str, piece: str) -> float:
        learnt, spelled = self._pieces[place], -self._spelling.nats({piece: 1})
        count = learnt[piece]
        log_count = np.logaddexp(math.log(count), spelled) if count else spelled
        return math.log(learnt.total() + 1) - float(log_count)
