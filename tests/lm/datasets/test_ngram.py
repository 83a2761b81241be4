import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.datasets import Corpus, Split, load
from lm.datasets.config import DataConfig
from lm.datasets.counting.kneser_ney import NGram
from lm.datasets.counting.ngram import baselines
from lm.datasets.tokenizers import CharTokenizer

token_lists = st.lists(st.integers(0, 5), min_size=2, max_size=60)
orders = st.integers(1, 5)


def corpus_of(train: list[int], valid: list[int], test: list[int]) -> Corpus:
    splits = [Split(np.array(token_ids), len(token_ids)) for token_ids in (train, valid, test)]
    return Corpus(DataConfig(), CharTokenizer("abcdef"), *splits, "")


def textbook(train: list[int], order: int, before: tuple[int, ...], token: int) -> float:
    """Interpolated modified Kneser-Ney as Chen and Goodman write it, from dictionaries."""
    order = min(order, len(train))

    def grams(k: int) -> list[tuple[int, ...]]:
        return [tuple(train[i : i + k]) for i in range(len(train) - k + 1)]

    def counts(k: int) -> Counter:
        if k == order:
            return Counter(grams(k))
        distinct = Counter(gram[1:] for gram in set(grams(k + 1)))
        distinct[tuple(train[:k])] += 1  # nothing precedes the beginning
        return Counter({gram: distinct[gram] for gram in set(grams(k))})

    def discount(count: int, table: Counter) -> float:
        n = Counter(table.values())
        if not all(n[i] for i in (1, 2, 3, 4)):
            return [0.0, 0.5, 0.75, 0.9][min(count, 3)]
        y = n[1] / (n[1] + 2 * n[2])
        raw = {i: i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3)}
        highest = {1: 0.95, 2: 1.9, 3: 2.9}
        i = min(count, 3)
        return 0.0 if count == 0 else min(max(raw[i], 0.05), highest[i])

    def p(k: int) -> float:
        if k == 0:
            return 1 / 6
        context = before[len(before) - k + 1 :]
        if len(before) < k - 1:
            return p(k - 1)
        table = counts(k) if len(train) >= k else Counter()
        after = {gram[-1]: count for gram, count in table.items() if gram[:-1] == context}
        total = sum(after.values())
        if not total:
            return p(k - 1)
        left = sum(discount(count, table) for count in after.values())
        own = after.get(token, 0)
        return (own - discount(own, table) + left * p(k - 1)) / total

    return p(order)


@given(token_lists, token_lists, orders)
def test_it_is_the_textbooks(train, scored, order):
    model = NGram(np.array(train), 6, order)
    p = model.score(np.array(scored)).p
    expected = [
        textbook(train, order, tuple(scored[max(0, i - order + 1) : i]), scored[i])
        for i in range(1, min(len(scored), 8))
    ]
    assert p[0] == 1 / 6
    assert p[1 : len(expected) + 1] == pytest.approx(expected)


@given(token_lists, token_lists, orders)
def test_it_is_a_distribution_after_every_context_and_the_one_that_scores(train, before, order):
    model = NGram(np.array(train), 6, order)
    whole = model.distribution(np.array(before))
    assert whole.min() > 0
    assert whole.sum() == pytest.approx(1)
    scored = [model.score(np.array([*before, token])).p[-1] for token in range(6)]
    assert whole == pytest.approx(scored)


@given(token_lists, token_lists, token_lists)
def test_every_token_is_scored_once(train, valid, test):
    scores = baselines(corpus_of(train, valid, test))
    assert scores["bigram"]["test"].n_tokens == len(test)
    counts = Counter(train)
    unigram = [-math.log((counts[token] + 1) / (len(train) + 6)) for token in test[1:]]
    assert scores["unigram"]["test"].total_nats == pytest.approx(math.log(6) + sum(unigram))
    assert scores["uniform"]["test"].loss == pytest.approx(math.log(6))
    pairs = [-math.log(textbook(train, 2, (first,), second)) for first, second in pairwise(test)]
    assert scores["bigram"]["test"].total_nats == pytest.approx(math.log(6) + sum(pairs))


def test_a_large_vocabulary_needs_no_square_table():
    token_ids = np.random.default_rng(0).integers(0, 10**6, 1_000)
    assert NGram(token_ids, 10**6, 3).distribution(token_ids[:2]).sum() == pytest.approx(1)


def test_an_order_must_be_at_least_one():
    with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
        NGram(np.array([0, 1]), 2, 0)


def test_how_familiar_a_context_is():
    model = NGram(np.array([0, 1, 2, 0, 1, 2, 0, 1, 3]), 6, 3)
    scores = model.score(np.array([5, 5, 0, 1, 2]))
    assert scores.n_met.tolist() == [0, 0, 0, 1, 2]
    assert scores.magnitude[4] == 1  # "0 1" goes on three times: log2, rounded down
    assert len(set(zip(scores.n_met, scores.magnitude, strict=True))) == len(set(scores.kinds))
    assert scores.kinds.max() < model.n_kinds


def test_a_split_without_test_has_no_test_score():
    corpus = corpus_of([0, 1, 2], [0, 1], [0, 1])
    without = Corpus(corpus.data, corpus.tokenizer, corpus.train, corpus.valid, None, "")
    assert list(baselines(without)["bigram"]) == ["valid"]


def test_spelling_enters_bits_per_char():
    corpus = corpus_of([0, 1, 2], [0, 1], [0, 1])
    spelt = Split(corpus.valid.token_ids, n_chars=4, spelling_nats=8 * math.log(2))
    score = baselines(Corpus(corpus.data, corpus.tokenizer, corpus.train, spelt, None, ""))
    uniform = score["uniform"]["valid"]
    assert uniform.bits_per_char == pytest.approx(2 * math.log2(6) / 4 + 2)
    assert uniform.loss == pytest.approx(math.log(6))


def test_each_baseline_knows_more_on_tiny_shakespeare(real_corpora):
    scores = baselines(load(DataConfig()))
    losses = [scores[name]["test"].loss for name in ("uniform", "unigram", "bigram", "6-gram")]
    assert losses == pytest.approx([math.log(65), 3.348, 2.508, 1.692], abs=1e-3)


def test_five_grams_of_ptb_have_the_published_perplexity(real_corpora):
    scores = baselines(load(DataConfig(dataset="ptb")))
    # KN5 in Mikolov et al. 2011 (ICASSP), with <eos>
    assert scores["5-gram"]["test"].perplexity == pytest.approx(141, rel=0.02)
    assert scores["5-gram"]["test"].perplexity < scores["bigram"]["test"].perplexity < 200
