import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.config import DataConfig
from lm.datasets import Corpus, Split, load
from lm.ngram import DISCOUNTS, Bigram, baselines
from lm.tokenizers import CharTokenizer

token_lists = st.lists(st.integers(0, 5), min_size=2, max_size=40)


def corpus_of(train: list[int], valid: list[int], test: list[int]) -> Corpus:
    splits = [Split(np.array(token_ids), len(token_ids)) for token_ids in (train, valid, test)]
    return Corpus(DataConfig(), CharTokenizer("abcdef"), *splits, "")


def oracle_nats(train: list[int], scored: list[int], discount: float) -> float:
    """Absolute discounting as it is written in a textbook, token by token."""
    unigram, pairs = Counter(train), Counter(pairwise(train))
    total = math.log(6)
    for previous, token in pairwise(scored):
        p = (unigram[token] + 1) / (len(train) + 6)
        successors = [count for (first, _), count in pairs.items() if first == previous]
        if successors:
            p *= discount * len(successors) / sum(successors)
            p += max(pairs[previous, token] - discount, 0) / sum(successors)
        total -= math.log(p)
    return total


@given(token_lists, st.sampled_from(DISCOUNTS))
def test_the_bigram_is_a_distribution_after_every_token(train: list[int], discount: float):
    table = Bigram(np.array(train), 6).probabilities(np.arange(36), discount).reshape(6, 6)
    assert table.min() > 0
    assert table.sum(1) == pytest.approx(1)


@given(token_lists, token_lists, token_lists)
def test_every_token_is_scored_once_and_the_discount_is_the_best_on_valid(train, valid, test):
    scores = baselines(corpus_of(train, valid, test))
    valid_nats = {d: oracle_nats(train, valid, d) for d in DISCOUNTS}
    assert scores["bigram"]["valid"].total_nats == pytest.approx(min(valid_nats.values()))
    test_nats = [
        oracle_nats(train, test, d)
        for d in DISCOUNTS
        if valid_nats[d] == pytest.approx(min(valid_nats.values()))
    ]
    assert any(scores["bigram"]["test"].total_nats == pytest.approx(n) for n in test_nats)
    assert scores["bigram"]["test"].n_tokens == len(test)
    counts = Counter(train)
    unigram = [-math.log((counts[token] + 1) / (len(train) + 6)) for token in test[1:]]
    assert scores["unigram"]["test"].total_nats == pytest.approx(math.log(6) + sum(unigram))
    assert scores["uniform"]["test"].loss == pytest.approx(math.log(6))


def test_a_large_vocabulary_needs_no_square_table():
    token_ids = np.random.default_rng(0).integers(0, 10**6, 1_000)
    assert len(Bigram(token_ids, 10**6).pairs) == 999


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
    losses = [scores[name]["test"].loss for name in ("uniform", "unigram", "bigram")]
    assert losses == pytest.approx([math.log(65), 3.348, 2.514], abs=1e-3)


def test_a_bigram_of_ptb_lies_between_unigram_and_five_gram(real_corpora):
    scores = baselines(load(DataConfig(dataset="ptb")))
    kneser_ney_5 = 141  # Mikolov et al. 2011, test perplexity with <eos>
    assert kneser_ney_5 < scores["bigram"]["test"].perplexity < 200
    assert scores["bigram"]["test"].perplexity < scores["unigram"]["test"].perplexity
