"""A prompt as a model reads it, and what to tell the person who typed it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from lm.architectures import Decoder
from lm.datasets.tokenizers import Tokenizer, UnknownTokenError
from lm.datasets.tokenizers.spec import subject
from lm.writing.generation import prompt_ids


@dataclass(frozen=True)
class Prompt:
    """A prompt in the characters of the model's own text."""

    text: str
    token_ids: list[int]  # at least one
    notes: tuple[str, ...]  # a sentence for each way in which the model reads something else


def read_prompt(typed: str, tokenizer: Tokenizer, decoder: Decoder) -> Prompt:
    """A prompt for `decoder`, read as the text was on which it was trained.

    Line ends become "\\n", as in every text. Of Unicode's normal forms, the one that was typed is
    kept unless the model knows more of another. Raises `UnknownTokenError`.
    """
    notes = []
    text = typed.replace("\r\n", "\n").replace("\r", "\n")
    if text != typed:
        notes.append("Carriage returns are read as ends of lines, as in every training text.")
    form, text = min(_forms(text), key=lambda each: _n_unknown(each[1], tokenizer))
    if form:
        notes.append(f"The prompt is read in Unicode's normal form {form}, as the model's text is.")
    token_ids = prompt_ids(tokenizer, text)
    if unknown := tokenizer.unknown(text):
        notes.append(f"{subject('word', list(unknown))} unknown to the model, which reads <unk>.")
    if n_unread := decoder.first_read(len(token_ids)):
        notes.append(
            f"The model reads only the last {len(token_ids) - n_unread:,} of the prompt's "
            f"{len(token_ids):,} tokens."
        )
    return Prompt(text, token_ids, tuple(notes))


def _forms(text: str) -> Iterator[tuple[str, str]]:
    """The text as it is, and in Unicode's normal forms, each after the form's name."""
    yield "", text
    for form in ("NFC", "NFD"):
        yield form, unicodedata.normalize(form, text)


def _n_unknown(text: str, tokenizer: Tokenizer) -> float:
    try:
        tokenizer.encode(text)
    except UnknownTokenError:
        return float("inf")
    return tokenizer.unknown(text).total()
