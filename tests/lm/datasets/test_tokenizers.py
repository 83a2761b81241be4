import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.datasets.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    UnknownTokenError,
    WordTokenizer,
    split_words,
    tokenizer_from_dict,
    train_tokenizer,
)
from lm.datasets.tokenizers.bpe import _pieces

VERSE = (
    "Full fathom five thy father lies;\nOf his bones are coral made;\n"
    "Those are pearls that were his eyes:\n\n  Nothing of him that doth fade,\n"
    "But doth suffer a sea-change\tInto something rich and strange. 'Tis 1611! Ça va, 海 😀?\n"
)
KINDS = ("char", "word", "byte", "bpe")
BPE = train_tokenizer("bpe", VERSE * 3, bpe_vocab_size=320)


@given(st.text())
def test_characters_round_trip(text: str):
    tokenizer = train_tokenizer("char", text)
    token_ids = tokenizer.encode(text)
    assert tokenizer.decode(token_ids) == text
    assert len(token_ids) == len(text)


@given(st.text())
def test_bytes_round_trip(text: str):
    token_ids = ByteTokenizer().encode(text)
    assert ByteTokenizer().decode(token_ids) == text
    assert token_ids.tolist() == list(text.encode())


@given(st.text() | st.text(alphabet="the sea \n'\t1é😀"))
def test_bpe_round_trips(text: str):
    assert BPE.decode(BPE.encode(text)) == text


@given(st.text(alphabet=" \n\t\r\x1c\x85\u2028ab's1.é") | st.text())
def test_a_text_encoded_in_pieces_is_encoded_as_a_whole(text: str):
    pieces = list(_pieces(text, length=2))
    assert "".join(pieces) == text
    ids = [i for piece in pieces for i in BPE._encoder.encode(piece).ids]
    assert ids == BPE._encoder.encode(text).ids


def test_bpe_equals_the_library_that_trained_it():
    from tokenizers import ByteLevelBPETokenizer

    oracle = ByteLevelBPETokenizer()
    oracle.train_from_iterator([VERSE * 3], vocab_size=320, min_frequency=0, show_progress=False)
    assert BPE.vocab_size == oracle.get_vocab_size() == 320
    assert BPE.encode(VERSE).tolist() == oracle.encode(VERSE).ids
    assert len(BPE.encode(VERSE)) < len(VERSE.encode())


def test_bpe_training_is_deterministic():
    assert train_tokenizer("bpe", VERSE * 3, bpe_vocab_size=320) == BPE


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_survives_json(kind: str):
    tokenizer = train_tokenizer(kind, VERSE, bpe_vocab_size=300)
    copy = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert copy == tokenizer
    assert copy.name == kind
    assert copy.encode(VERSE).tolist() == tokenizer.encode(VERSE).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_int64_in_one_dimension_and_below_vocab_size(kind: str):
    tokenizer = train_tokenizer(kind, VERSE, bpe_vocab_size=300)
    for text in ("", VERSE):
        token_ids = tokenizer.encode(text)
        assert token_ids.dtype == np.int64
        assert token_ids.ndim == 1
    assert 0 <= token_ids.min() <= token_ids.max() < tokenizer.vocab_size


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_can_be_shown(kind: str):
    tokenizer = train_tokenizer(kind, VERSE, bpe_vocab_size=300)
    assert all(tokenizer.token_text(i) for i in range(tokenizer.vocab_size))


def test_the_alphabet_is_sorted_and_covers_the_held_out_text():
    assert train_tokenizer("char", "banana", ["cab"]) == CharTokenizer("abcn")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("né", "The character 'é' is not in this model's alphabet of 2 characters."),
        ("é😀n", "The characters 'é' and '😀' are not"),
        ("\n", r"The character '\\n' is not"),
        ("abcdefg", "'a', 'b', 'c', 'd', 'e' and 2 more are not"),
        ("\ud800", r"The character '\\ud800' is not"),
    ],
)
def test_unknown_characters_are_named(text: str, named: str):
    with pytest.raises(UnknownTokenError, match=named):
        CharTokenizer("no").encode(text)


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), BPE])
def test_half_a_character_is_named(tokenizer):
    with pytest.raises(UnknownTokenError, match="half of a character"):
        tokenizer.encode("a\udcff")


def test_words_are_split_at_whitespace_with_one_eos_for_each_newline():
    assert split_words(" the  cat\n\nsat ") == ["the", "cat", "<eos>", "<eos>", "sat"]


def test_words_decode_to_lines():
    tokenizer = train_tokenizer("word", "the cat\nsat\n\n on it")
    assert tokenizer.decode(tokenizer.encode(" the  cat\nsat\n\n on it")) == "the cat\nsat\n\non it"
    assert tokenizer.vocab_size == 6


def test_frequent_words_come_first():
    assert train_tokenizer("word", "a b b c c c\n").words == ("c", "b", "a", "<eos>")


def test_an_unknown_word_becomes_unk_where_the_vocabulary_has_it():
    tokenizer = train_tokenizer("word", "the <unk> sat\n", ["the dog sat\n"])
    assert tokenizer.decode(tokenizer.encode("the dog sat")) == "the <unk> sat"


def test_an_unknown_word_without_unk_is_named():
    tokenizer = train_tokenizer("word", "the cat sat\n", ["the cat\n"])
    with pytest.raises(UnknownTokenError, match=r"The word 'dog' is not .* vocabulary of 4 words"):
        tokenizer.encode("the dog sat")


def test_rare_words_teach_unk_when_the_held_out_text_has_unknown_words():
    tokenizer = train_tokenizer("word", "to be or not to be\n", ["to see\n"])
    assert sorted(tokenizer.words) == ["<eos>", "<unk>", "be", "to"]
    assert tokenizer.decode(tokenizer.encode("to be or not")) == "to be <unk> <unk>"


def test_words_that_become_unk_are_counted():
    tokenizer = WordTokenizer(("the", "<unk>", "<eos>"))
    assert not tokenizer.unknown("the <unk>\n")
    assert tokenizer.unknown("the né née\nnée") == {"né": 1, "née": 2}


def test_bytes_that_are_not_utf8_are_shown_in_hexadecimal():
    assert ByteTokenizer().token_text(0xE2) == "<0xE2>"
    assert ByteTokenizer().token_text(ord("a")) == "a"
    sea = BPETokenizer(()).encode("海")
    assert [BPETokenizer(()).token_text(i) for i in sea] == ["<0xE6>", "<0xB5>", "<0xB7>"]
    assert BPETokenizer(()).decode(sea[:2]) == "\ufffd"


@pytest.mark.parametrize("values", [{}, {"kind": "morse"}, {"kind": "bpe", "merges": [["a"]]}])
def test_what_is_not_a_tokenizer_is_refused(values: dict):
    with pytest.raises(ValueError, match=r"tokenizer"):
        tokenizer_from_dict(values)
