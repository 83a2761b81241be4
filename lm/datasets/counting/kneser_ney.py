"""Kneser–Ney n-grams: predictions that take no training but counting.

They are interpolated, with modified Kneser–Ney discounts (Chen and Goodman 1998): of any order, on
any tokens, in seconds, and normalised exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

N_MAGNITUDES = 16  # of how often a context was met: log2 rounded down, the last for all beyond


@dataclass(frozen=True)
class _Level:
    """The k-grams of a text: which there are, and what they leave to shorter ones.

    A k-gram is a pair of its first k - 1 tokens, numbered as grams of the level below, and its
    last. Its own number is its place in `keys`.
    """

    keys: np.ndarray  # (n,) context · V + last token, rising
    share: np.ndarray  # (n,) (count - discount) / count of its context
    totals: np.ndarray  # by context: how much was counted after it
    back_off: np.ndarray  # by context: what the discounts leave


class Scores(NamedTuple):
    """The tokens of a stream, each given those before it; and how familiar its context was."""

    p: np.ndarray  # (N,) probability of the token
    n_met: np.ndarray  # (N,) tokens of its context that were met together: 0 … order - 1
    magnitude: np.ndarray  # (N,) how often they were: log2, rounded down, below N_MAGNITUDES

    @property
    def kinds(self) -> np.ndarray:
        """Contexts equally familiar have one number: (N,), below `NGram.n_kinds`."""
        return self.n_met * N_MAGNITUDES + self.magnitude


class NGram:
    """p(token | the order - 1 tokens before it).

    p_k(w | h) = max(c(h, w) - D(c), 0) / c(h) + b(h) p_{k-1}(w | h'), where h' is h without its
    first token, b(h) makes the sum 1, and p_0 = 1/V. c counts occurrences at the highest order,
    and below it the distinct tokens before the gram; D is 0 for no count, and one of three values
    for counts of 1, 2, and more.
    """

    def __init__(self, token_ids: np.ndarray, vocab_size: int, order: int) -> None:
        """Count the grams of `token_ids` (N,). Raises ValueError for an order below 1."""
        if order < 1:
            raise ValueError(f"order must be at least 1. Received: {order}.")
        self.vocab_size, self.order = vocab_size, order = vocab_size, min(order, len(token_ids))
        tokens = np.asarray(token_ids, dtype=np.int64)
        contexts = np.zeros(len(tokens), dtype=np.int64)  # of the gram that ends at each position
        grams: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        for k in range(1, order + 1):
            keys, first, ids, counts = np.unique(
                contexts * vocab_size + tokens[k - 1 :],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            grams.append((keys, first, ids, counts))
            contexts = ids[:-1]
        self._levels: list[_Level] = []
        for k, (keys, _, ids, counts) in enumerate(grams, 1):
            if k < order:
                # one more for the gram at the very beginning, which nothing precedes
                _, first, *_ = grams[k]
                before = np.append(ids[1:][first], ids[:1])
                counts = np.bincount(before, minlength=len(keys))
            n_contexts = 1 if k == 1 else len(grams[k - 2][0])
            self._levels.append(_level(keys, counts, keys // vocab_size, n_contexts))

    @property
    def n_kinds(self) -> int:
        """How many kinds of context `Scores.kinds` tells apart."""
        return self.order * N_MAGNITUDES

    def score(self, token_ids: np.ndarray) -> Scores:
        """Score each token of a stream (N,) given those before it."""
        tokens = np.asarray(token_ids, dtype=np.int64)
        p = np.full(len(tokens), 1 / self.vocab_size)
        contexts = np.zeros(len(tokens), dtype=np.int64)  # -1: never seen
        n_met = np.zeros(len(tokens), dtype=np.int64)
        magnitude = np.zeros(len(tokens), dtype=np.int64)
        for k, level in enumerate(self._levels, 1):
            keys = contexts * self.vocab_size + tokens
            place = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
            hit = (level.keys[place] == keys) & (contexts >= 0)
            total = np.where(contexts >= 0, level.totals[contexts], 0)
            met = total > 0
            p = np.where(
                met, np.where(hit, level.share[place], 0) + level.back_off[contexts] * p, p
            )
            log2 = np.log2(np.maximum(total, 1)).astype(np.int64).clip(max=N_MAGNITUDES - 1)
            n_met, magnitude = np.where(met, k - 1, n_met), np.where(met, log2, magnitude)
            contexts = np.append(-1, np.where(hit, place, -1)[:-1])
        p[:1] = 1 / self.vocab_size
        n_met[:1] = magnitude[:1] = 0
        return Scores(p, n_met, magnitude)

    def distribution(self, before: np.ndarray) -> np.ndarray:
        """p of every token after `before`, of which the last order - 1 count: (V,)."""
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        before = np.asarray(before, dtype=np.int64)
        for k, level in enumerate(self._levels, 1):
            if k - 1 > len(before):
                break
            context = self._number(before[len(before) - k + 1 :])
            if context is None or level.totals[context] == 0:
                break
            start, stop = np.searchsorted(
                level.keys, [context * self.vocab_size, (context + 1) * self.vocab_size]
            )
            p *= level.back_off[context]
            p[level.keys[start:stop] % self.vocab_size] += level.share[start:stop]
        return p

    def _number(self, gram: np.ndarray) -> int | None:
        """The number of a gram at its level, None if it was never seen."""
        number = 0
        for level, token in zip(self._levels, gram, strict=False):
            key = number * self.vocab_size + int(token)
            number = int(np.searchsorted(level.keys, key))
            if number == len(level.keys) or level.keys[number] != key:
                return None
        return number


def _level(keys: np.ndarray, counts: np.ndarray, contexts: np.ndarray, n_contexts: int) -> _Level:
    discounts = np.array(_discounts(counts))[np.minimum(counts, 3)]
    totals = np.bincount(contexts, counts, minlength=n_contexts)
    left = np.bincount(contexts, discounts, minlength=n_contexts)
    return _Level(
        keys=keys,
        share=(counts - discounts) / totals[contexts],
        totals=totals,
        back_off=left / np.maximum(totals, 1),
    )


def _discounts(counts: np.ndarray) -> tuple[float, float, float, float]:
    """What is taken from counts of 0, 1, 2 and more: Chen and Goodman's estimates.

    A text too short for them (one of the first four counts of counts is 0) gets plain values.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)
    if min(n[1:5]) == 0:
        return 0.0, 0.5, 0.75, 0.9
    y = n[1] / (n[1] + 2 * n[2])
    raw = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    d1, d2, d3 = (float(np.clip(d, 0.05, k)) for k, d in zip((0.95, 1.9, 2.9), raw, strict=True))
    return 0.0, d1, d2, d3
