"""How the page tells what of a text stands in the train text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.datasets.config import DataConfig
from lm.writing.copied import MOST_CHARS, SuffixArray, find_copies
from pages.common.generate.copies import TrainText, describe, read

SOURCE = "It was the best of times, it was the worst of times, it was the age of wisdom."


def told(texts: list[str], n_chars: int = len(SOURCE)):
    train = TrainText("Dickens", "", n_chars, SuffixArray(SOURCE))
    return describe(find_copies(train.index, "".join(texts)), texts, train)


def test_a_token_belongs_to_the_run_that_holds_the_whole_of_it() -> None:
    copied = told(["Never!", " it was", " the age", " of wisdom", ".", ".."])
    assert copied.span_of == [-1, 0, 0, 0, 0, -1]
    assert copied.spans == [(26, SOURCE.index(" it was the age"), 1)]
    assert copied.longest == (1, 5)
    assert copied.quote is not None
    assert copied.quote[2] == " it was the age of wisdom."[: len(copied.quote[2])]
    assert "100 %" not in copied.note


def test_a_run_that_begins_inside_a_token_does_not_hold_it() -> None:
    copied = told(["xx it was", " the age of wisdom"])
    assert copied.span_of == [-1, 0]
    assert copied.longest == (0, 2)


def test_words_are_looked_for_as_they_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(" the cat  sat \n on the mat \n" * 40)
    data = DataConfig(dataset="text", text_path=str(path), tokenizer="word")
    train = read(data, "own")
    assert "\nthe cat sat\non the mat\n" in train.index.text
    texts = [" on", " the", " mat", "\n", "the", " cat"]
    copied = describe(find_copies(train.index, "".join(texts)), texts, train)
    assert copied.longest == (0, 6)
    assert copied.quote is not None
    assert copied.quote[2] == "on the mat\nthe cat"


@given(st.lists(st.text("it was", max_size=4), max_size=30))
def test_every_token_has_a_place_in_the_answer(texts: list[str]) -> None:
    copied = told(texts)
    assert len(copied.span_of) == len(texts)
    if copied.longest:
        first, end = copied.longest
        assert copied.quote is not None
        assert copied.quote[2] in "".join(texts[first:end])


@pytest.mark.parametrize("n_chars", [MOST_CHARS, MOST_CHARS + 1])
def test_a_limit_is_told_where_it_was_reached(n_chars: int) -> None:
    assert ("Only the first" in told(["abc"], n_chars).note) == (n_chars > MOST_CHARS)
