"""What a preset is: from a budget and a corpus to the settings that a person left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lm.architectures import AnyArchitecture
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import TOKENIZERS, WORD_VOCAB_SIZE

Values = dict[str, Any]
REFERENCE_BUDGET = 1e12  # sizes the model where the horizon is given in steps or epochs


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What a person asks for, and the text it is asked for."""

    architecture: AnyArchitecture
    data: DataConfig
    vocab_size: int
    n_train_tokens: int
    horizon: Mapping[str, Any]  # one of budget, steps and epochs
    model: Mapping[str, Any]  # settings given explicitly, not checked yet
    training: Mapping[str, Any]  # likewise, checked
    sized_by: float = 1.0  # the share of the budget for which the model is sized
    members: int = 1  # of which each has this budget

    @property
    def budget(self) -> float:
        """Training FLOPs that may be spent."""
        return self.horizon.get("budget") or REFERENCE_BUDGET

    @property
    def of_characters(self) -> bool:
        """Whether tokens are characters, or bytes."""
        return TOKENIZERS[self.data.tokenizer].by_character

    @property
    def of_words(self) -> bool:
        """Whether tokens are words, or parts of words in a vocabulary as large as one of words."""
        return self.vocab_size >= WORD_VOCAB_SIZE and not self.of_characters


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a preset chooses. Settings given explicitly win over it."""

    model: Values
    training: Values


class Preset(ABC):
    """A way to set up a run, registered by a line in `lm.runs.presets`."""

    name: str
    help: str  # sentences for whoever chooses: what it is, what it adds, when to take it
    follows_budget: bool = False  # whether a model's size does

    @abstractmethod
    def suits(self, architecture: AnyArchitecture) -> bool:
        """Whether it can set up this architecture."""

    @abstractmethod
    def settings(self, brief: Brief) -> Settings:
        """What it chooses. Raises `ConfigError` for explicit settings that cannot be."""
