"""What an architecture is to the rest of the program: one object, in a folder of its own.

Nothing outside `lm.architectures` asks which architecture it has before it; it asks the
architecture: for its parts, its model, its recipes, its name and its colour.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from lm.architectures.recipes import Recipes
from lm.architectures.work import Work
from lm.base.looks import Look
from lm.base.settings import Config, Setting, setting, settings

if TYPE_CHECKING:  # torch costs more than a second
    from lm.architectures.shared.model import LanguageModel

Arrays = Mapping[str, np.ndarray]


class ArchitectureConfig(Config, frozen=True):
    """The settings of an architecture: the base of every architecture's own config."""

    architecture: str
    context_length: int
    members: int = setting(
        1,
        "Models of this kind that learn side by side and predict the mean of their probabilities. "
        "The FLOPs of all are counted. They pay where one model has learnt all it can from a text.",
        ge=1,
        le=64,
        unit="models",
        log=True,
    )

    @property
    def lookback(self) -> int:
        """Tokens before a row that its first prediction reads: those of a window, else none."""
        return 0

    @property
    def longest_row(self) -> int | None:
        """The most predictions that a row may hold, None for any number."""
        return self.context_length

    @property
    def two_level(self) -> bool:
        """Whether its output is a softmax over clusters, and one over the tokens of a cluster."""
        return False

    @property
    def dropouts(self) -> dict[str, float]:
        """Its settings that leave something out at random, each the share that it leaves out."""
        return {name: getattr(self, name) for name in type(self).model_fields if "dropout" in name}


@dataclass(frozen=True, kw_only=True)
class Module:
    """A part of a model: what it stores, which matrix product it is, and what follows that."""

    name: str
    n_params: int
    weight: tuple[int, int] | None = None  # (d_out, d_in) of a linear map
    attention_width: int = 0  # n_heads * d_head where queries meet keys and values
    hidden: bool = False  # a matrix between layers, which Muon orthogonalises
    before: int = 0  # positions before each row for which it is computed too
    output: bool = False  # applied once per prediction, not once per position
    ngrams: bool = False  # a table of n-grams
    work: tuple[Work, ...] = ()  # what else is computed there


class Decoder(ABC):
    """A model as plain arrays: it reads texts that grow together and says what comes next."""

    def __init__(self, config: ArchitectureConfig, vocab_size: int) -> None:
        self.config, self.vocab_size = config, vocab_size

    @abstractmethod
    def fresh(self) -> Decoder:
        """The same model before it has read anything; itself, if it keeps nothing between calls."""

    @abstractmethod
    def first_read(self, n_tokens: int) -> int:
        """Index of the first token that is read to continue a text of `n_tokens`."""

    def logits(self, texts: np.ndarray) -> np.ndarray:
        """(B, V) float32 after `texts` (B, n >= 1), which begin with those of the call before."""
        with np.errstate(over="ignore", invalid="ignore"):  # weights that diverged
            return self._logits(texts)

    @abstractmethod
    def _logits(self, texts: np.ndarray) -> np.ndarray:
        """What `logits` returns: the model's after `texts[:, first_read(n):]`."""


C = TypeVar("C", bound=ArchitectureConfig)


class Architecture(ABC, Generic[C]):
    """One architecture. Each is an object, registered by a line in `lm.architectures`."""

    name: str  # in configs and on the command line
    title: str  # in a heading: "MLP"
    sentence: str  # what it is, for those who know the terms
    plainly: str  # what it does, for those who do not
    look: Look
    config: type[C]
    recipes: Recipes

    @property
    def settings(self) -> dict[str, Setting]:
        """Its settings by name, in the order of a form."""
        return settings(self.config)

    @abstractmethod
    def modules(self, config: C, vocab_size: int) -> list[Module]:
        """The parts of a model in the order of computation, by the names of their weights."""

    @abstractmethod
    def build(self, config: C, vocab_size: int) -> LanguageModel:
        """A model with fresh weights, drawn from torch's generator. This loads torch."""

    @abstractmethod
    def decoder(self, config: C, vocab_size: int, weights: Arrays) -> Decoder:
        """The model with `weights`, by the names that `build` gives them, to write with."""


AnyArchitecture = Architecture[Any]
