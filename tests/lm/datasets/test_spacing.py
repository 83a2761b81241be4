"""White space that words leave out is told by probabilities that sum to one, and is paid for."""

import math
import random
from collections import Counter
from pathlib import Path

import pytest

from lm.base.records import about_unknown_words
from lm.datasets import Corpus, load
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram
from lm.datasets.counting.spacing import Spacing
from lm.datasets.tokenizers import WordTokenizer, train_tokenizer


def corpus_of(path: Path, text: str, tokenizer: str = "word") -> Corpus:
    path.write_text(text)
    return load(DataConfig(dataset="text", text_path=str(path), tokenizer=tokenizer))


def test_words_and_spacing_are_the_whole_text():
    text = "  one\t two\n\n \nthree four \n  five"
    pieces = WordTokenizer(()).spacing(text)
    assert pieces == {
        "begin": Counter({"  ": 2, "": 1}),
        "between": Counter({"\t ": 1, " ": 1}),
        "end": Counter({"": 2, " ": 1}),
        "blank": Counter({"": 1, " ": 1}),
    }
    n_spaces = sum(len(p) * times for counts in pieces.values() for p, times in counts.items())
    assert n_spaces + sum(map(len, text.split())) + text.count("\n") == len(text)


def test_the_probabilities_of_all_pieces_sum_to_one():
    spacing = Spacing({"between": Counter({" ": 5, "  ": 2}), "blank": Counter()})
    pieces = [" " * n for n in range(40)]
    for place, other in (("between", 0.97), ("blank", 0.5)):
        p = [math.exp(-spacing.nats({place: Counter({piece: 1})})) for piece in pieces]
        assert other < sum(p) < 1
    assert math.isfinite(spacing.nats({"blank": Counter({"\u3000" * 5_000: 1})}))


def test_random_spaces_cost_their_entropy(tmp_path: Path):
    """One of eight gaps after each "la": 3 bits for 6.5 characters, whatever the tokens are."""
    rng = random.Random(0)
    text = "".join("la" + " " * rng.randrange(1, 9) for _ in range(8_000))
    bits = {
        name: ngram.evaluate(corpus_of(tmp_path / "la.txt", text, name), 6)["valid"].bits_per_char
        for name in ("word", "char")
    }
    assert bits["word"] == pytest.approx(3 / 6.5, rel=0.05)
    assert bits["char"] == pytest.approx(3 / 6.5, rel=0.15)


def test_single_spaces_cost_nothing(tmp_path: Path):
    corpus = corpus_of(tmp_path / "plain.txt", "to be or not to be\n" * 500)
    assert 0 < corpus.valid.spacing_nats < 1
    assert load(corpus.data.replace(tokenizer="char")).valid.spacing_nats == 0


@pytest.mark.parametrize("name", ["ptb", "wikitext-2"])
def test_published_words_pay_nothing_for_white_space(real_corpora, name: str):
    corpus = load(DataConfig(dataset=name))
    for split in corpus.splits.values():
        assert split.spacing_nats / split.n_chars < 1e-4
        assert 0.02 < split.unknown_share < 0.07  # which the published texts have themselves


def test_mostly_unknown_words_are_said_and_do_not_compare_by_loss(tmp_path: Path):
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghij", k=7)) for _ in range(3_000)]
    corpus = corpus_of(tmp_path / "words.txt", "\n".join(words))
    assert corpus.valid.unknown_share > 0.99
    score = ngram.evaluate(corpus, 2)["valid"]
    assert score.loss < 0.1
    assert not score.compares_by_loss
    assert score.bits_per_char > math.log2(10) * 7 / 8 - 0.1  # the entropy of the words
    (note,) = [note for note in corpus.notes if "<unk>" in note]
    assert "of the valid part's words" in note
    assert "of the test part's words" in note
    assert "compare bits per character" in note


def test_few_unknown_words_are_said_without_a_warning():
    sentence = about_unknown_words({"valid": 0.048, "test": 0.0})
    assert sentence == (
        "4.8 % of the valid part's words are <unk>, which stands for any word outside the "
        "vocabulary."
    )
    assert about_unknown_words({"valid": 0.0, "test": None}) == ""
    assert about_unknown_words({}) == ""


def test_a_words_share_counts_no_ends_of_lines():
    tokenizer = train_tokenizer("word", "a b\n<unk> c\n")
    assert tokenizer.count_words(tokenizer.encode("a new\nb c\n")) == (4, 1)
