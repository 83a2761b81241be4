"""What guessing already buys: uniform, unigram and bigram predictions of a corpus.

Counts come from the train split. The bigram backs off to the unigram by interpolated absolute
discounting (Ney, Essen and Kneser 1994); its one parameter is chosen on the validation split. All
three are proper distributions, normalised exactly. Nothing precedes the first token of a split,
which costs ln V under each of them, as it does for the models.
"""

from __future__ import annotations

import math

import numpy as np

from lm.datasets import Corpus, Split
from lm.records import Evaluation

DISCOUNTS = np.linspace(0.05, 1.0, 20)


def unigram(token_ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """p(token), with one added to each count: (V,)."""
    counts = np.bincount(token_ids, minlength=vocab_size) + 1
    return counts / counts.sum()


class Bigram:
    """p(token | previous): counts less a discount, which goes to the unigram.

    p(w | h) = max(c(h, w) - D, 0) / c(h) + D n(h) / c(h) p(w), where n(h) is the number of
    distinct successors of h; after a token that has none, p(w). Memory grows with the pairs that
    occur, never with V².
    """

    def __init__(self, token_ids: np.ndarray, vocab_size: int) -> None:
        self.unigram = unigram(token_ids, vocab_size)
        self.vocab_size = vocab_size
        self.pairs, self.counts = _count_pairs(token_ids, vocab_size)
        previous = self.pairs // vocab_size
        self.n_seen = np.bincount(previous, self.counts, minlength=vocab_size)
        self.n_successors = np.bincount(previous, minlength=vocab_size)

    def probabilities(self, pairs: np.ndarray, discount: float) -> np.ndarray:
        """p(w | h) of pairs given as h · V + w."""
        previous, token = pairs // self.vocab_size, pairs % self.vocab_size
        found = np.searchsorted(self.pairs, pairs).clip(max=len(self.pairs) - 1)
        count = np.where(self.pairs[found] == pairs, self.counts[found], 0)
        seen = np.maximum(self.n_seen[previous], 1)
        back_off = np.where(
            self.n_seen[previous] > 0, discount * self.n_successors[previous] / seen, 1.0
        )
        return np.maximum(count - discount, 0) / seen + back_off * self.unigram[token]

    def total_nats(self, token_ids: np.ndarray, discount: float) -> float:
        """-ln p of every token but the first."""
        pairs, counts = _count_pairs(token_ids, self.vocab_size)
        return float(-counts @ np.log(self.probabilities(pairs, discount)))


def baselines(corpus: Corpus) -> dict[str, dict[str, Evaluation]]:
    """Scores of uniform, unigram and bigram on whole splits: name -> "valid", "test" -> score."""
    vocab_size = corpus.tokenizer.vocab_size
    bigram = Bigram(corpus.train.token_ids, vocab_size)
    unigram_nats = -np.log(bigram.unigram)
    discount = min(
        DISCOUNTS, key=lambda discount: bigram.total_nats(corpus.valid.token_ids, discount)
    )
    parts = {name: split for name, split in corpus.splits.items() if name != "train"}
    first = math.log(vocab_size)

    def score(nats_after_first: float, split: Split) -> Evaluation:
        return Evaluation(
            total_nats=first + nats_after_first,
            n_tokens=split.n_tokens,
            n_chars=split.n_chars,
            spelling_nats=split.spelling_nats,
        )

    return {
        "uniform": {
            name: score(first * (split.n_tokens - 1), split) for name, split in parts.items()
        },
        "unigram": {
            name: score(float(unigram_nats[split.token_ids[1:]].sum()), split)
            for name, split in parts.items()
        },
        "bigram": {
            name: score(bigram.total_nats(split.token_ids, discount), split)
            for name, split in parts.items()
        },
    }


def _count_pairs(token_ids: np.ndarray, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct pairs of neighbours, as h · V + w in rising order, and their counts."""
    pairs = token_ids[:-1] * vocab_size + token_ids[1:]
    if vocab_size**2 > len(pairs):
        return np.unique(pairs, return_counts=True)
    counts = np.bincount(pairs)
    (present,) = np.nonzero(counts)
    return present, counts[present]
