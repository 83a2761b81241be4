"""What counting already buys: uniform, unigram and Kneser–Ney n-gram predictions of a corpus.

Counts come from the train split. Nothing precedes the first token of a split, which costs ln V
under each of them, as it does for the models.
"""

from __future__ import annotations

import math

import numpy as np

from lm.base.records import Evaluation
from lm.datasets import Corpus, Split
from lm.datasets.counting.kneser_ney import NGram
from lm.datasets.tokenizers import WORD_VOCAB_SIZE

ORDER, WORD_ORDER = 6, 5  # n-grams of words are rarer


def order_for(vocab_size: int) -> int:
    """As long an n-gram as pays on corpora of a few megabytes."""
    return WORD_ORDER if vocab_size >= WORD_VOCAB_SIZE else ORDER


def unigram(token_ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """p(token), with one added to each count: (V,)."""
    counts = np.bincount(token_ids, minlength=vocab_size) + 1
    return counts / counts.sum()


def evaluate(corpus: Corpus, order: int) -> dict[str, Evaluation]:
    """Scores of n-grams of the train split on the others: "valid", "test" -> score."""
    model = NGram(corpus.train.token_ids, corpus.tokenizer.vocab_size, order)
    return {
        name: split.scored(-float(np.log(model.score(split.token_ids).p).sum()))
        for name, split in corpus.splits.items()
        if name != "train"
    }


def baselines(corpus: Corpus) -> dict[str, dict[str, Evaluation]]:
    """Scores of counting on whole splits: name -> "valid", "test" -> score, the weakest first."""
    vocab_size = corpus.tokenizer.vocab_size
    order = order_for(vocab_size)
    train = corpus.train.token_ids
    p = unigram(train, vocab_size)
    parts = {name: split for name, split in corpus.splits.items() if name != "train"}

    def score(nats_after_first: float, split: Split) -> Evaluation:
        return split.scored(math.log(vocab_size) + nats_after_first)

    return {
        "uniform": {
            name: score(math.log(vocab_size) * (split.n_tokens - 1), split)
            for name, split in parts.items()
        },
        "unigram": {
            name: score(-float(np.log(p[split.token_ids[1:]]).sum()), split)
            for name, split in parts.items()
        },
        "bigram": evaluate(corpus, 2),
        f"{order}-gram": evaluate(corpus, order),
    }
