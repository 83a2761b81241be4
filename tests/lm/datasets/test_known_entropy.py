"""The invented language against its definition, by enumeration and by sampling."""

import hashlib
import itertools
import math

import numpy as np
import pytest

from lm.datasets import known_entropy, load
from lm.datasets.config import DataConfig
from lm.datasets.counting.ngram import baselines
from lm.datasets.known_entropy import Topic, entropy_per_char, generate, source_nats


def sentence_nats(text: str) -> np.ndarray:
    return np.array([source_nats(line + "\n") for line in text.splitlines()])


@pytest.fixture
def small_language(monkeypatch: pytest.MonkeyPatch):
    """Two topics, four words, one or two of them in a sentence: every sentence can be listed."""
    topics = (Topic("on", "off", ("a", "cab")), Topic("up", "down", ("go", "be")))
    monkeypatch.setattr(known_entropy, "TOPICS", topics)
    monkeypatch.setattr(known_entropy, "N_WORDS", range(1, 3))
    monkeypatch.setattr(known_entropy, "LEXICON", ("a", "cab", "go", "be"))
    known_entropy._costs.cache_clear()
    yield
    known_entropy._costs.cache_clear()


def test_the_closed_forms_equal_the_sum_over_all_sentences(small_language):
    zipf = [12 / 25, 6 / 25, 4 / 25, 3 / 25]  # 1, 1/2, 1/3, 1/4, normalised
    orders = {"on {} off.\n": ("a", "cab", "go", "be"), "up {} down.\n": ("go", "be", "a", "cab")}
    probability = {}
    for frame, order in orders.items():
        for n_words in (1, 2):
            for ranks in itertools.product(range(4), repeat=n_words):
                sentence = frame.format(" ".join(order[rank] for rank in ranks))
                assert sentence not in probability
                probability[sentence] = math.prod([1 / 4, *(zipf[rank] for rank in ranks)])
    assert sum(probability.values()) == pytest.approx(1)
    for sentence, p in probability.items():
        assert source_nats(sentence) == pytest.approx(-math.log(p))
    entropy = sum(-p * math.log(p) for p in probability.values())
    chars = sum(p * len(sentence) for sentence, p in probability.items())
    assert entropy_per_char() == pytest.approx(entropy / chars)
    drawn = generate(200_000, seed=0).splitlines(keepends=True)
    for sentence, p in probability.items():
        error = drawn.count(sentence) - len(drawn) * p
        assert abs(error) < 5 * math.sqrt(len(drawn) * p)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_long_text_costs_its_source_the_entropy(seed: int):
    text = generate(500_000, seed)
    lengths = np.array([len(line) + 1 for line in text.splitlines()])
    excess = sentence_nats(text) - entropy_per_char() * lengths  # expectation 0 in each sentence
    assert abs(excess.sum()) < 4 * math.sqrt((excess**2).sum())
    assert source_nats(text) == pytest.approx(excess.sum() + entropy_per_char() * len(text))
    assert source_nats(text) / len(text) == pytest.approx(entropy_per_char(), rel=0.01)


def test_the_source_knows_more_than_pairs_of_characters_can():
    scores = baselines(load(DataConfig(dataset="known_entropy", n_chars=200_000)))
    assert scores["bigram"]["test"].loss > 2 * entropy_per_char()


def test_a_half_context_of_32_sees_the_opener_wherever_it_matters():
    assert max(map(len, generate(200_000, seed=3).splitlines())) == 33
    closer = max(len(topic.closer) for topic in known_entropy.TOPICS)
    assert 33 - closer - len(".") <= 32


def test_a_seed_determines_the_text_and_a_shorter_one_is_its_beginning():
    text = generate(300_000, seed=7)
    assert text == generate(300_000, seed=7)
    assert text.startswith(generate(1_000, seed=7))
    assert text != generate(300_000, seed=8)
    assert 300_000 - 34 < len(text) <= 300_000
    assert text.endswith(".\n")


def test_the_text_of_a_seed_never_changes():
    sha256 = hashlib.sha256(generate(1_000_000, seed=0).encode()).hexdigest()
    assert sha256 == "79ff68eaf7f5afd1792e57cd482adefa2b80fe618fd4b5f7d4b95e3e39b67908"


@pytest.mark.parametrize(
    "text", ["kai ka bru.\n", "kai ka dum tir.\n", "kai ka xyz bru.\n", "kai ka dum bru.", "a\n"]
)
def test_what_the_language_cannot_say_has_no_probability(text: str):
    with pytest.raises(ValueError, match="sentence of the invented language"):
        source_nats(text)


@pytest.mark.parametrize("n_chars", [1_000, 20_000])
def test_splits_are_whole_sentences_with_their_ideal_loss(n_chars: int):
    corpus = load(DataConfig(dataset="known_entropy", n_chars=n_chars, seed=5))
    text = generate(n_chars, seed=5)
    assert "".join(corpus.tokenizer.decode(s.token_ids) for s in corpus.splits.values()) == text
    assert sum(split.source_nats for split in corpus.splits.values()) == pytest.approx(
        source_nats(text)
    )
    assert corpus.valid.ideal_loss == corpus.valid.source_nats / corpus.valid.n_tokens
    assert corpus.entropy_per_char == entropy_per_char()
    assert [s.n_chars / len(text) for s in corpus.splits.values()] == pytest.approx(
        [0.8, 0.1, 0.1], abs=0.04
    )
