"""What of a text stands in another, against a search that tries every string."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.datasets import load_text
from lm.datasets.config import DataConfig
from lm.writing.copied import MIN_CHARS, SuffixArray, find_copies, suffix_array

SOURCES = st.text("ab", max_size=40) | st.text("aé\n😀", max_size=40)
TEXTS = st.text("ab", max_size=20) | st.text("aé\n😀c", max_size=20)


@given(SOURCES)
def test_suffixes_are_in_order(text: str) -> None:
    assert suffix_array(text).tolist() == sorted(range(len(text)), key=lambda at: text[at:])


@pytest.mark.parametrize("text", ["a" * 3000, "ab" * 1500, "abcdefghij" * 300 + "abcdefghij"[:7]])
def test_suffixes_are_in_order_where_a_text_repeats_itself(text: str) -> None:
    assert suffix_array(text).tolist() == sorted(range(len(text)), key=lambda at: text[at:])


def test_suffixes_are_in_order_in_every_alphabet() -> None:
    random = np.random.default_rng(0)
    for top in (2, 65, 300, 5_000, 0x10FFFF):
        codes = random.integers(1, top, 2_000)
        text = "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)
        assert suffix_array(text).tolist() == sorted(range(len(text)), key=lambda at: text[at:])


@given(SOURCES, TEXTS)
def test_length_at_each_character_is_that_of_the_longest_string_around_it(
    source: str, text: str
) -> None:
    strings = [
        (start, end)
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
        if text[start:end] in source
    ]
    lengths = [
        max((e - s for s, e in strings if s <= at < e), default=0) for at in range(len(text))
    ]
    copies = find_copies(SuffixArray(source), text, min_chars=3)
    assert copies.lengths.tolist() == lengths
    assert copies.share_new == (np.mean([n < 3 for n in lengths]) if text else 1)
    longest = max((end - start for start, end in strings), default=0)
    assert (copies.longest.length if copies.longest else 0) == longest


@given(SOURCES, TEXTS)
def test_spans_are_maximal_and_say_where_they_stand_first(source: str, text: str) -> None:
    spans = find_copies(SuffixArray(source), text).spans
    for span in spans:
        words = text[span.start : span.end]
        assert source.find(words) == span.place
        assert span.count == sum(source.startswith(words, at) for at in range(len(source)))
        assert span.start == 0 or text[span.start - 1 : span.end] not in source
        assert span.end == len(text) or text[span.start : span.end + 1] not in source
    starts, ends = [s.start for s in spans], [s.end for s in spans]
    assert starts == sorted(set(starts))
    assert ends == sorted(set(ends))


def test_an_empty_text_is_all_new_and_so_is_one_beside_an_empty_source() -> None:
    for source, text in [("abc", ""), ("", ""), ("", "abc")]:
        copies = find_copies(SuffixArray(source), text)
        assert copies.longest is None
        assert copies.share_new == 1
        assert copies.lengths.tolist() == [0] * len(text)


def test_a_span_counts_from_its_minimum_length_on() -> None:
    source = SuffixArray("x" + "the quick brown fox " + "y")
    assert len("the quick brown fox ") == MIN_CHARS
    copies = find_copies(source, "123" + "the quick brown fox " + "45678")
    assert [(s.start, s.end, s.place) for s in copies.copied_spans] == [(3, 23, 1)]
    assert copies.share_new == pytest.approx(8 / 28)
    assert find_copies(source, "the quick brown fox").share_new == 1


def test_a_long_copy_is_found_whole() -> None:
    random = np.random.default_rng(1)
    source = "".join(random.choice(list("abcd "), 20_000))
    copies = find_copies(SuffixArray(source), "!" + source[5_000:9_000] + "?")
    assert [(s.start, s.end, s.place) for s in copies.copied_spans] == [(1, 4_001, 5_000)]


def test_a_part_of_the_train_text_is_not_new_and_points_to_its_place(real_corpora) -> None:
    train = load_text(DataConfig(dataset="tiny_shakespeare")).train
    copies = find_copies(SuffixArray(train), train[123_456:123_956])
    assert copies.share_new == 0
    assert [(s.start, s.end, s.place) for s in copies.spans] == [(0, 500, 123_456)]
