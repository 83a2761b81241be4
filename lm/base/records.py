"""What a run produces: plain values, written one by one as rows of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from lm.base.wording import listed, percent

DIGITS = 7  # of a number in a row: what float32 has


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One row of `metrics.jsonl`. Tokens, FLOPs and seconds are cumulative, of training alone."""

    step: int
    tokens: int
    flops: int
    seconds: float
    train_loss: float  # mean nats per token over the steps since the row before
    learning_rate: float
    grad_norm: float
    sampled_val_loss: float | None = None  # a fixed sample of the validation split

    def to_row(self) -> dict[str, Any]:
        """What is stored of it: numbers to `DIGITS` digits, and no loss that was not taken."""
        values = {name: _rounded(value) for name, value in asdict(self).items()}
        if self.sampled_val_loss is None:
            del values["sampled_val_loss"]
        return values


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


# An n-gram of characters (lm.datasets.counting.spelling); or, in older runs, any byte as
# probable as any other.
Spelling = Literal["characters", "bytes"]
SPELLINGS: tuple[Spelling, ...] = get_args(Spelling)


MOST_UNKNOWN = 0.1  # of the words of a split, for its loss per word to be compared


def about_unknown_words(shares: Mapping[str, float | None]) -> str:
    """A sentence on which share of a text's words is `<unk>`, by part; "" where none is."""
    some = {part: share for part, share in shares.items() if share}
    if not some:
        return ""
    listing = listed(f"{percent(share)} of the {part} part's words" for part, share in some.items())
    sentence = f"{listing} are <unk>, which stands for any word outside the vocabulary."
    if max(some.values()) > MOST_UNKNOWN:
        sentence += (
            " With so many, the loss per word does not compare with other losses: compare bits "
            "per character, where each of these words pays for its spelling."
        )
    return sentence


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A split scored whole: the sums from which every figure is derived."""

    total_nats: float
    n_tokens: int
    n_chars: int
    spelling_nats: float = 0.0  # what spelling out its unknown words would cost
    spelling: Spelling = "characters"  # by what they are spelled, where there are any
    # to tell the white space that its tokens leave out; None in older runs, which left it untold
    spacing_nats: float | None = None
    n_words: int | None = None  # of its tokens, where tokens are words and newlines
    n_unknown: int | None = None  # words that are <unk>

    @property
    def loss(self) -> float:
        """Mean nats per token."""
        return self.total_nats / self.n_tokens

    @property
    def log_likelihood(self) -> float:
        """Mean log-likelihood, nats per token: the study's y-axis."""
        return -self.loss

    @property
    def perplexity(self) -> float:
        """exp(loss), per token; compare it only within one vocabulary."""
        try:
            return math.exp(self.loss)
        except OverflowError:  # a model far worse than guessing
            return math.inf

    @property
    def bits_per_char(self) -> float:
        """Comparable across tokenizers of one text: what tokens leave out is paid for."""
        return self.in_bits(self.loss)

    def in_bits(self, loss: float) -> float:
        """The bits per character of a loss per token on this split."""
        untold = self.spelling_nats + (self.spacing_nats or 0.0)
        return (loss * self.n_tokens + untold) / self.n_chars / math.log(2)

    @property
    def spelling_bits_per_char(self) -> float:
        """The part of `bits_per_char` that spells unknown words."""
        return self.spelling_nats / self.n_chars / math.log(2)

    @property
    def spacing_bits_per_char(self) -> float | None:
        """The part of `bits_per_char` that tells white space; None where it was left out."""
        return None if self.spacing_nats is None else self.spacing_nats / self.n_chars / math.log(2)

    @property
    def unknown_share(self) -> float | None:
        """Which share of the words is `<unk>`, where tokens are words and that was counted."""
        return None if self.n_unknown is None else self.n_unknown / max(1, self.n_words or 0)

    @property
    def compares_by_loss(self) -> bool:
        """Whether few enough words are `<unk>` for the loss per token to mean something."""
        return (self.unknown_share or 0.0) <= MOST_UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Text written by a model at a step of its training."""

    step: int
    prompt: str
    text: str
    temperature: float
    seed: int
    probabilities: tuple[float, ...] = ()  # of each generated token, in order
    tokens: tuple[str, ...] = ()

    def to_row(self) -> dict[str, Any]:
        """What is stored of it: tokens only where they are not the characters of the text."""
        values = asdict(self)
        if self.tokens == tuple(self.text):
            values["tokens"] = ()
        return values
