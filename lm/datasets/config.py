"""Which text a run learns from, how it is split and how it becomes tokens."""

from __future__ import annotations

import typing
from typing import Any, Literal

from pydantic import model_validator

from lm.base.settings import Config, setting

Dataset = Literal[
    "tiny_shakespeare", "ptb", "wikitext-2", "known_entropy", "python_reference", "text"
]
TokenizerKind = Literal["char", "word", "byte", "bpe"]
WORD_DATASETS = ("ptb", "wikitext-2")


class DataConfig(Config):
    """A corpus, how it is split and how it becomes tokens."""

    dataset: Dataset = setting(
        "tiny_shakespeare", "The text to learn from.", basic=True, tells="never"
    )
    split: Literal["study", "nanogpt"] = setting(
        "study",
        "Which cut into train, valid and test; nanogpt is Tiny Shakespeare's, no test.",
        tells="never",
        applies=lambda values: values["dataset"] == "tiny_shakespeare",
    )
    tokenizer: TokenizerKind = setting(
        "char", "What one token is. Left out: words for PTB and WikiText-2, else characters."
    )
    bpe_vocab_size: int = setting(
        512,
        "Vocabulary of the bpe tokenizer.",
        ge=257,
        le=65536,
        unit="tokens",
        log=True,
        step=64,
        applies=lambda values: values.get("tokenizer") == "bpe",
    )
    text_path: str | None = setting(None, "The file behind dataset 'text'.", tells="never")
    n_chars: int = setting(
        1_000_000,
        "Length of known_entropy.",
        ge=1_000,
        le=100_000_000,
        unit="characters",
        log=True,
        step=100_000,
        applies=lambda values: values["dataset"] == "known_entropy",
    )
    seed: int = setting(
        0,
        "Seed of known_entropy.",
        ge=0,
        le=2**31 - 1,
        applies=lambda values: values["dataset"] == "known_entropy",
    )

    @model_validator(mode="before")
    @classmethod
    def _natural_tokenizer(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("tokenizer") is None:
            kind = "word" if values.get("dataset") in WORD_DATASETS else "char"
            return {**values, "tokenizer": kind}
        return values

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        if self.split == "nanogpt" and self.dataset != "tiny_shakespeare":
            raise ValueError(
                "split 'nanogpt' belongs to dataset 'tiny_shakespeare'. "
                f"Received: dataset='{self.dataset}'."
            )
        if (self.dataset == "text") != (self.text_path is not None):
            raise ValueError(
                "text_path goes with dataset 'text', and only with it. "
                f"Received: dataset='{self.dataset}', text_path={self.text_path!r}."
            )
        return self
