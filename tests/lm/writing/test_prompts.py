"""A prompt as a model reads it: each way in which that is not what was typed is said, once."""

import unicodedata
from types import SimpleNamespace
from typing import Any

import pytest

from lm.datasets.tokenizers import ByteTokenizer, CharTokenizer, UnknownTokenError, WordTokenizer
from lm.writing.prompts import Prompt, read_prompt

COMPOSED, DECOMPOSED = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
WORDS = WordTokenizer(("the", "<eos>", "<unk>", COMPOSED))


def read(typed: str, tokenizer: Any, context_length: int = 1000) -> Prompt:
    decoder: Any = SimpleNamespace(first_read=lambda n_tokens: max(0, n_tokens - context_length))
    return read_prompt(typed, tokenizer, decoder)


@pytest.mark.parametrize(
    ("typed", "tokenizer"), [("the", WORDS), ("ab\n", CharTokenizer("\nab")), ("", WORDS)]
)
def test_what_is_read_as_it_was_typed_has_no_note(typed: str, tokenizer) -> None:
    prompt = read(typed, tokenizer)
    assert (prompt.text, prompt.notes) == (typed, ())


def test_carriage_returns_are_ends_of_lines() -> None:
    prompt = read("a\r\nb\ra", CharTokenizer("\nab"))
    assert prompt.text == "a\nb\na"
    assert len(prompt.notes) == 1
    assert read("a\r\nb", ByteTokenizer()).text == "a\nb"


@pytest.mark.parametrize(
    ("typed", "tokenizer", "text"),
    [
        (DECOMPOSED, CharTokenizer(f"\n{COMPOSED}"), COMPOSED),
        (COMPOSED, CharTokenizer(f"\n{DECOMPOSED}"), DECOMPOSED),
        (DECOMPOSED, WORDS, COMPOSED),
    ],
)
def test_the_normal_form_of_the_models_own_text_is_read(typed: str, tokenizer, text: str) -> None:
    prompt = read(typed, tokenizer)
    assert prompt.text == text
    assert len(prompt.notes) == 1
    assert "normal form NF" in prompt.notes[0]


def test_a_normal_form_that_is_no_better_known_stays() -> None:
    assert read(DECOMPOSED, ByteTokenizer()).text == DECOMPOSED
    with pytest.raises(UnknownTokenError, match="ж"):
        read(f"{COMPOSED}ж", CharTokenizer(f"\n{COMPOSED}"))


def test_unknown_words_are_named() -> None:
    assert read("the cat the the cat dog", WORDS).notes == (
        "The words 'cat' and 'dog' are unknown to the model, which reads <unk>.",
    )


def test_what_lies_beyond_the_context_is_said() -> None:
    assert read("ab" * 600, CharTokenizer("ab"), 12).notes == (
        "The model reads only the last 12 of the prompt's 1,200 tokens.",
    )
