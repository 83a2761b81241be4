"""A neural model mixed with n-grams of the same tokens: its own category, and no training FLOPs.

p(w | h) = λ p_model(w | h) + (1 - λ) p_ngram(w | h), where λ depends on how familiar h is to the
n-gram: how many of its tokens it has met together, and how often. As λ does not depend on w, the
mixture is normalised. The weights are those of highest likelihood on validation, by expectation
maximisation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lm.base.records import Evaluation
from lm.datasets import Corpus
from lm.datasets.counting.kneser_ney import NGram
from lm.datasets.counting.ngram import order_for

ITERATIONS = 40
PRIOR = 4.0  # tokens that count for an even mixture, so that a rare kind of context has a weight


def fit(p_model: np.ndarray, p_ngram: np.ndarray, kinds: np.ndarray, n_kinds: int) -> np.ndarray:
    """The weight of the model for each kind of context, (n_kinds,), from a text's (N,) each."""
    weights = np.full(n_kinds, 0.5)
    counts = np.bincount(kinds, minlength=n_kinds)
    for _ in range(ITERATIONS):
        of_model = weights[kinds] * p_model
        shares = of_model / (of_model + (1 - weights[kinds]) * p_ngram)
        mine = np.bincount(kinds, shares, minlength=n_kinds)
        weights = (mine + PRIOR / 2) / (counts + PRIOR)
    return weights


def mix(
    weights: np.ndarray, p_model: np.ndarray, p_ngram: np.ndarray, kinds: np.ndarray
) -> np.ndarray:
    """p of each token under the mixture, (N,)."""
    return weights[kinds] * p_model + (1 - weights[kinds]) * p_ngram


def evaluate(corpus: Corpus, nats: Mapping[str, np.ndarray]) -> dict[str, Evaluation]:
    """Score the hybrid of a model, given its nats of each token of "valid" and perhaps "test".

    Test is mixed by the weights of the whole validation split; each half of validation by those
    of the other half, so that no token chooses its own.
    """
    vocab_size = corpus.tokenizer.vocab_size
    ngram = NGram(corpus.train.token_ids, vocab_size, order_for(vocab_size))
    n_kinds = ngram.n_kinds
    scored = {name: ngram.score(corpus.splits[name].token_ids) for name in nats}
    p_model = {name: np.exp(-values) for name, values in nats.items()}

    def of(name: str, part: slice = slice(None)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores = scored[name]
        return p_model[name][part], scores.p[part], scores.kinds[part]

    middle = len(nats["valid"]) // 2
    halves = slice(None, middle), slice(middle, None)
    mixed = {
        "valid": np.concatenate(
            [
                mix(fit(*of("valid", other), n_kinds), *of("valid", half))
                for half, other in (halves, halves[::-1])
            ]
        )
    }
    if "test" in nats:
        mixed["test"] = mix(fit(*of("valid"), n_kinds), *of("test"))
    return {name: corpus.splits[name].scored(-float(np.log(p).sum())) for name, p in mixed.items()}
