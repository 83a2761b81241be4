"""A mixture of a model and n-grams is a distribution, and no token chooses its own weight."""

import numpy as np
import pytest

from lm.datasets import Corpus, load
from lm.datasets.config import DataConfig
from lm.datasets.counting import hybrid
from lm.datasets.counting.kneser_ney import NGram


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load(DataConfig(dataset="known_entropy", n_chars=20_000))


def test_weights_have_the_highest_likelihood():
    random = np.random.default_rng(0)
    p_model, p_ngram = random.uniform(0.01, 1, (2, 20_000))
    kinds = random.integers(0, 2, 20_000)
    p_model[kinds == 1] *= 0.9
    weights = hybrid.fit(p_model, p_ngram, kinds, 3)
    assert weights[2] == 0.5  # of a kind that never occurs
    assert weights[1] < weights[0]

    def nats(kind: int, weight: float) -> float:
        here = kinds == kind
        return -np.log(weight * p_model[here] + (1 - weight) * p_ngram[here]).sum()

    for kind in (0, 1):
        for other in (weights[kind] - 0.03, weights[kind] + 0.03):
            assert nats(kind, weights[kind]) < nats(kind, other)


def test_the_mixture_is_a_distribution(corpus):
    vocab_size = corpus.tokenizer.vocab_size
    ngram = NGram(corpus.train.token_ids, vocab_size, 6)
    random = np.random.default_rng(0)
    weights = random.uniform(size=ngram.n_kinds)
    before = corpus.valid.token_ids[:12]
    model = random.dirichlet(np.ones(vocab_size))
    scored = [ngram.score(np.append(before, token)) for token in range(vocab_size)]
    p = [
        hybrid.mix(weights, model[[token]], scores.p[-1:], scores.kinds[-1:])[0]
        for token, scores in enumerate(scored)
    ]
    assert sum(p) == pytest.approx(1)


def test_a_model_that_knows_nothing_leaves_the_n_gram_and_a_good_one_gains(corpus):
    splits = {name: corpus.splits[name] for name in ("valid", "test")}
    guess = {
        name: np.full(split.n_tokens, np.log(corpus.tokenizer.vocab_size))
        for name, split in splits.items()
    }
    ngram = NGram(corpus.train.token_ids, corpus.tokenizer.vocab_size, 6)
    alone = -np.log(ngram.score(splits["test"].token_ids).p).mean()
    assert hybrid.evaluate(corpus, guess)["test"].loss == pytest.approx(alone, rel=0.02)
    other = NGram(corpus.train.token_ids, corpus.tokenizer.vocab_size, 4)
    nats = {name: -np.log(other.score(split.token_ids).p) for name, split in splits.items()}
    both = hybrid.evaluate(corpus, nats)
    assert both["test"].loss < alone
    assert both["test"].n_tokens == splits["test"].n_tokens


def test_test_never_enters_a_weight(corpus):
    random = np.random.default_rng(1)
    nats = {
        name: random.uniform(0.5, 4, corpus.splits[name].n_tokens) for name in ("valid", "test")
    }
    scores = hybrid.evaluate(corpus, nats)
    nats["test"] = nats["test"][::-1]
    again = hybrid.evaluate(corpus, nats)
    assert again["valid"] == scores["valid"]
    first = {name: nats[name].copy() for name in nats}
    middle = len(first["valid"]) // 2
    first["valid"][:middle] = 5.0  # the first half's weights come from the second
    ngram = NGram(corpus.train.token_ids, corpus.tokenizer.vocab_size, 6)
    scores = ngram.score(corpus.valid.token_ids)
    p, kinds, n_kinds = scores.p, scores.kinds, ngram.n_kinds
    weights = hybrid.fit(np.exp(-nats["valid"][middle:]), p[middle:], kinds[middle:], n_kinds)
    expected = hybrid.mix(weights, np.exp(-first["valid"][:middle]), p[:middle], kinds[:middle])
    assert expected.min() > 0
    changed = hybrid.evaluate(corpus, first)["valid"].total_nats
    second = hybrid.mix(
        hybrid.fit(np.exp(-first["valid"][:middle]), p[:middle], kinds[:middle], n_kinds),
        np.exp(-first["valid"][middle:]),
        p[middle:],
        kinds[middle:],
    )
    assert changed == pytest.approx(-np.log(expected).sum() - np.log(second).sum())
