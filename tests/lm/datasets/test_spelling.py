"""Unknown words are spelled by probabilities that sum to one, learnt from the train split."""

import itertools
import math
from pathlib import Path

import pytest

from lm.datasets import load, load_text
from lm.datasets.config import DataConfig
from lm.datasets.counting.spelling import N_CODE_POINTS, Spelling


def p(spelling: Spelling, word: str) -> float:
    return math.exp(-spelling.nats({word: 1}))


def test_the_probabilities_of_all_words_sum_to_one():
    spelling = Spelling(["ab", "b", "abba"])
    words = ("".join(w) for n in range(12) for w in itertools.product("ab", repeat=n))
    known = sum(p(spelling, word) for word in words)
    one_other = p(spelling, "☃") * N_CODE_POINTS
    assert 0.9 < known < known + one_other < 1


def test_words_like_those_of_the_train_split_cost_less():
    spelling = Spelling(["walking", "talking", "walked", "talked", "balked"])
    assert p(spelling, "balking") > 100 * p(spelling, "gniklab")
    assert p(spelling, "balking") > p(spelling, "balkingbalking")


def test_a_word_costs_the_same_beside_whatever_others():
    spelling = Spelling(["to", "be", "or", "not"])
    together = spelling.nats({"bone": 3, "ton": 1, "é": 2})
    apart = 3 * spelling.nats({"bone": 1}) + spelling.nats({"ton": 1}) + 2 * spelling.nats({"é": 1})
    assert together == pytest.approx(apart)
    assert spelling.nats({}) == 0


def test_a_character_that_no_word_has_costs_one_of_unicodes():
    spelling = Spelling(["to", "be"])
    more = spelling.nats({"tô": 1}) - spelling.nats({"to": 1})
    assert more > math.log(N_CODE_POINTS)
    assert math.isfinite(more)


def test_a_corpus_of_words_spells_by_its_train_split_alone(tmp_path: Path):
    path = tmp_path / "text.txt"
    path.write_text(
        "to be or not to be that is the question\n" * 60 + "whether it is nobler\n" * 25
    )
    data = DataConfig(dataset="text", text_path=str(path), tokenizer="word")
    corpus, texts = load(data), load_text(data)
    assert corpus.test is not None
    assert texts.test is not None
    spelling = Spelling(texts.train.split())
    unknown = corpus.tokenizer.unknown(texts.test)
    assert unknown["nobler"] > 5
    assert corpus.test.spelling_nats == pytest.approx(spelling.nats(unknown))


def test_validation_words_of_tiny_shakespeare(real_corpora):
    valid = load(DataConfig(tokenizer="word")).valid
    bits = valid.spelling_nats / valid.n_chars / math.log(2)
    assert bits == pytest.approx(0.632, abs=0.002)  # by bytes: 1.835
