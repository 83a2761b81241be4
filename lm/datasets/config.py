"""Which text a run learns from, how it is split and how it becomes tokens."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import model_validator

from lm.base.settings import Config, Values, one_of, setting
from lm.base.wording import listed
from lm.datasets.encodings import ENCODINGS, GUESS
from lm.datasets.registry import DATASETS, DEFAULT
from lm.datasets.spec import Dataset
from lm.datasets.tokenizers import TOKENIZERS


class _SplitNames:
    """The names of the cuts that the corpora have by now."""

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for each in DATASETS.values() for name in each.splits))


def _of_dataset(condition: Callable[[Dataset], bool]) -> Callable[[Values], bool]:
    """Whether a field has an effect, by the corpus that is set beside it."""
    return lambda values: condition(DATASETS[values.get("dataset", DEFAULT)])


def _is_sized(values: Values) -> bool:
    """Whether the tokenizer that is set, or the corpus's own, is told how many tokens to have."""
    natural = DATASETS[values.get("dataset", DEFAULT)].default_tokenizer
    return TOKENIZERS[values.get("tokenizer") or natural].sized


def _is_drawn(values: Values) -> bool:
    """Whether the text, or its split, is drawn by the seed."""
    dataset = DATASETS[values.get("dataset", DEFAULT)]
    return "seed" in dataset.settings or values.get("split") in dataset.drawn_splits


class DataConfig(Config, frozen=True):
    """A corpus, how it is split and how it becomes tokens."""

    dataset: Annotated[str, *one_of(DATASETS)] = setting(
        DEFAULT, "The text to learn from.", basic=True, tells="never"
    )
    split: Annotated[str, *one_of(_SplitNames())] = setting(
        "study",
        "Which cut into train, valid and test; nanogpt is Tiny Shakespeare's, no test; lines "
        "shuffles the lines of a text of your own, for lists.",
        tells="never",
        applies=_of_dataset(lambda dataset: len(dataset.splits) > 1),
    )
    tokenizer: Annotated[str, *one_of(TOKENIZERS)] = setting(
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
        applies=_is_sized,
        label="BPE vocabulary",
    )
    text_path: str | None = setting(
        None,
        "The file behind dataset 'text'.",
        tells="never",
        applies=_of_dataset(lambda dataset: dataset.needs_path),
    )
    encoding: Annotated[str, *one_of(ENCODINGS)] = setting(
        GUESS,
        "How the file behind dataset 'text' is encoded; utf-8-replace reads damaged UTF-8.",
        tells="never",
        applies=_of_dataset(lambda dataset: "encoding" in dataset.settings),
    )
    n_chars: int = setting(
        1_000_000,
        "Length of a text that is invented.",
        ge=1_000,
        le=100_000_000,
        unit="characters",
        log=True,
        step=100_000,
        applies=_of_dataset(lambda dataset: "n_chars" in dataset.settings),
        label="Length of the text",
    )
    seed: int = setting(
        0,
        "Seed of a text that is invented, or of the order of its lines.",
        ge=0,
        le=2**31 - 1,
        applies=_is_drawn,
        label="Seed of the text",
    )

    @model_validator(mode="before")
    @classmethod
    def _natural_tokenizer(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = typing.cast(dict[str, Any], values)
        if given.get("tokenizer") is not None:
            return given
        name = given.get("dataset", DEFAULT)
        is_there = isinstance(name, str) and name in DATASETS  # else it is refused by its field
        natural = DATASETS[name if is_there else DEFAULT].default_tokenizer
        return {**given, "tokenizer": natural}

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        dataset = DATASETS[self.dataset]
        if self.split not in dataset.splits:
            owners = _owners(lambda other: self.split in other.splits)
            raise ValueError(
                f"split '{self.split}' belongs to dataset {owners}. "
                f"Received: dataset='{self.dataset}'."
            )
        if dataset.needs_path != (self.text_path is not None):
            if self.text_path is None:
                raise ValueError(
                    f"dataset '{self.dataset}' is a text of your own: name its file as text_path, "
                    "or as --text FILE on the command line."
                )
            owners = _owners(lambda other: other.needs_path)
            raise ValueError(
                f"text_path goes with dataset {owners} alone. "
                f"Received: dataset='{self.dataset}', text_path={self.text_path!r}."
            )
        if self.encoding != GUESS and "encoding" not in dataset.settings:
            owners = _owners(lambda other: "encoding" in other.settings)
            raise ValueError(
                f"encoding goes with dataset {owners}. "
                f"Received: dataset='{self.dataset}', encoding={self.encoding!r}."
            )
        return self


def _owners(condition: Callable[[Dataset], bool]) -> str:
    """The datasets of which something holds: "'ptb' or 'text'"."""
    names = [f"'{name}'" for name, dataset in DATASETS.items() if condition(dataset)]
    return listed(names, "or")
