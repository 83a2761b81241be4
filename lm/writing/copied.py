"""What of a text stands word for word in another: in the text that a model learnt from.

A small model may write a line that it has learnt by heart. Here each run of characters that a
written text shares with the train text is looked up in a suffix array, as OLMoTrace does for
large models (https://arxiv.org/abs/2504.07096).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_CHARS = 20  # a run that is shorter is how the language goes, and counts as new
MOST_CHARS = 12_000_000  # of a text are looked at: time and memory grow with it
_TABLE = 1 << 24  # entries of the table that numbers short strings


# --- the index ----------------------------------------------------------------------------


class SuffixArray:
    """Where every string stands in a text, at the cost of a few comparisons.

    Beside the text, four bytes are kept for each of its characters. Making it takes up to 64
    bytes of memory for each, for a while.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._places = suffix_array(text)

    def n_longest(self, query: str) -> int:
        """How many characters of the beginning of `query` stand together somewhere in the text."""
        length, limit = 0, 32
        while length < len(query):
            length = self._n_longest(query[:limit])
            if length < limit:
                break
            limit *= 2
        return length

    def occurrences(self, query: str) -> tuple[int, int]:
        """How often `query` stands in the text, and where first; (0, -1) if it does not."""
        low, high = (
            bisect(self._places, query, key=lambda at: self.text[at : at + len(query)])
            for bisect in (bisect_left, bisect_right)
        )
        return high - low, int(self._places[low:high].min()) if high > low else -1

    def __contains__(self, query: str) -> bool:
        return self._n_longest(query) == len(query)

    def _n_longest(self, query: str) -> int:
        """`n_longest` for a query that is short enough to be compared whole."""
        n = len(query)
        at = bisect_left(self._places, query, key=lambda at: self.text[at : at + n])
        neighbours = self._places[max(at - 1, 0) : at + 1].tolist()
        return max((_n_common(query, self.text[p : p + n]) for p in neighbours), default=0)


def _n_common(a: str, b: str) -> int:
    """How many characters two strings begin with in common."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def suffix_array(text: str) -> NDArray[np.int32]:
    """Where the suffixes of `text` begin, (len(text),), in the order of their code points.

    Prefix doubling: suffixes are ordered by their first characters, then those that are still
    alike by the rank of what follows, which doubles what is compared.
    """
    n = len(text)
    keys, depth = _keys(text)
    order = np.argsort(keys)
    places = order.astype(np.int32)
    ranks = np.full(n + 1, -1, np.int32)  # of the group that a suffix is in; nothing comes first
    alike = np.arange(n)  # indices of `places` whose order is open
    keys = keys[order]
    while len(alike):
        begins = np.append(True, keys[1:] != keys[:-1])
        groups = np.flatnonzero(begins)
        ranks[places[alike]] = np.repeat(alike[groups], np.diff(groups, append=len(keys)))
        alike = alike[~(begins & np.append(begins[1:], True))]
        at = places[alike]
        keys = ranks[at].astype(np.int64) * (n + 1) + ranks[np.minimum(at + depth, n)] + 1
        order = np.argsort(keys)
        places[alike], keys = at[order], keys[order]
        depth *= 2
    return places


def _keys(text: str) -> tuple[NDArray[Any], int]:
    """A number for each suffix, in the order of its first characters, and how many these are."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    size = int(codes.max(initial=0)) + 2
    chars, n_chars = _numbered(codes.astype(np.int64) + 1, size)
    strings, n_strings, depth = chars, n_chars, 1
    while n_strings * n_chars <= _TABLE and depth < 8:
        longer = strings * n_chars + _shifted(chars, depth)
        strings, n_strings = _numbered(longer, n_strings * n_chars)
        depth += 1
    bits = n_strings.bit_length()
    keys = np.zeros(len(text), np.uint64)
    for part in range(64 // bits):
        keys = (keys << np.uint64(bits)) | _shifted(strings, part * depth).astype(np.uint64)
    return keys, depth * (64 // bits)


def _numbered(values: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], int]:
    """The values below `size` numbered from 1 in their order, and how many numbers with 0 exist."""
    present = np.zeros(size, bool)
    present[values] = True
    numbers = np.cumsum(present, dtype=np.int32)
    return numbers[values].astype(np.int64), int(numbers[-1]) + 1


def _shifted(values: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """`values[by:]`, with 0 for what would stand after the end."""
    result = np.zeros_like(values)
    if by < len(values):
        result[: len(values) - by] = values[by:]
    return result


# --- a text against it ---------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of a text, which stand together in the source."""

    start: int
    end: int
    place: int  # of the first of them in the source, where they stand first
    count: int  # how often they stand there

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Copies:
    """What of a text stands in its source.

    `spans` are the maximal ones, by their start: each begins after and ends after the one before,
    and none can be longer at either end. They may overlap.
    """

    n_chars: int
    spans: tuple[Span, ...]
    min_chars: int = MIN_CHARS

    @property
    def longest(self) -> Span | None:
        """The longest run, the first of those of equal length; None for a text without any."""
        return max(self.spans, key=lambda span: span.length, default=None)

    @property
    def copied_spans(self) -> tuple[Span, ...]:
        """The runs that are long enough to count as copied."""
        return tuple(span for span in self.spans if span.length >= self.min_chars)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n_chars,): of the longest run that each character is in, 0 where it is in none."""
        lengths = np.zeros(self.n_chars, np.int64)
        for span in self.spans:
            part = lengths[span.start : span.end]
            np.maximum(part, span.length, out=part)
        return lengths

    @property
    def share_new(self) -> float:
        """The share of the characters that are in no copied run; 1 for an empty text."""
        if not self.n_chars:
            return 1.0
        return float((self.lengths < self.min_chars).mean())


def find_copies(source: SuffixArray, text: str, min_chars: int = MIN_CHARS) -> Copies:
    """What of `text` stands in the source. Runs shorter than `min_chars` count as new."""
    spans = []
    for start, end in _maximal_spans(source, text):
        count, place = source.occurrences(text[start:end])
        spans.append(Span(start, end, place, count))
    return Copies(len(text), tuple(spans), min_chars)


def _maximal_spans(source: SuffixArray, text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = start + source.n_longest(text[start:])
        if end > start:
            yield start, end
        if end == len(text):
            return
        # The next run goes past `end`: it begins where the text up to there is in the source.
        later = range(start + 1, end + 1)
        last = end + 1
        start = later.start + bisect_left(later, True, key=lambda at: text[at:last] in source)
