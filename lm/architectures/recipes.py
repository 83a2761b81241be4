"""How an architecture is set up: by budget, and as others did it.

A recipe names the settings that it chooses; `lm.runs.presets` turns recipes into the config of a
run. What each number rests on is measured in docs/recipes.csv.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Size:
    """A recipe for characters from `budget` training FLOPs on, until the next rung's."""

    budget: float
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    batch_grows: bool = True  # with the budget, beyond ten times the rung's


@dataclass(frozen=True, kw_only=True)
class WordRecipes:
    """What changes where tokens are words, of which there are thousands."""

    ladder: tuple[Size, ...]  # for preset modern; the other presets use that for characters
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    # training FLOPs after which one model has learnt what it can of 100,000 words, and a second
    # beside it does better
    enough: float = math.inf
    # of a model with as many parameters as its text has words; it grows with the root of the
    # parameters for each word
    weight_decay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ShortTextRecipes:
    """What changes where a text of characters is short.

    Tables of n-grams keep a row for each token of the text, however often that is seen.
    """

    most_tokens: int  # of a train split; a longer one is not short
    ladder: tuple[Size, ...]  # for preset modern
    weight_decay_of_repeats: float  # see Recipes


def _nothing_follows(base: Values, given: Mapping[str, Any]) -> Values:
    return base


# tokens of a text, and a value there; in between the logarithm of one follows that of the other
Points = Sequence[tuple[float, float]]

# see Recipes.times_of_members; models over a window gain by members much sooner
TIMES_OF_MEMBERS: Mapping[int, Points] = {
    8: ((10_000, 60.0), (25_000, 40.0), (400_000, 24.0)),
    4: ((50_000, 20.0), (400_000, 12.0)),
    2: ((50_000, 7.5), (400_000, 2.7)),
}


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """The recipes of one architecture."""

    ladders: Mapping[str, tuple[Size, ...]]  # by the preset that sizes models for a budget
    fixed: Mapping[str, Mapping[str, Any]]  # the model's settings, by a preset with one setup
    words: WordRecipes | None = None  # None: as for characters
    short_text: ShortTextRecipes | None = None  # None: as for longer ones
    # from the recipe's settings and those set by hand to the recipe's settings that fit these
    follow: Callable[[Values, Mapping[str, Any]], Values] = _nothing_follows
    # parameters per token of text from which on a model can learn a repeated text by heart
    room_per_token: float = 0.7
    # of a model with as many parameters as its text has tokens, once that is used up
    weight_decay_of_repeats: float = 0.5
    dropout_of_repeats: float = 0.0
    # Of several models that learn side by side: how often each must see a text, by its tokens,
    # before so many do better than fewer. The most come first.
    times_of_members: Mapping[int, Points] = field(default_factory=lambda: TIMES_OF_MEMBERS)
    # training FLOPs after which the architecture has learnt what 100,000 tokens can teach it
    worth: float = 4.7e12


# --- what rungs share ---------------------------------------------------------------------------

NGRAM_ROWS = 16_384  # a megabyte for each length of n-gram
MUON: Mapping[str, Any] = {
    "optimizer": "muon",
    "learning_rate": 0.02,
    "adamw_learning_rate": 0.01,
}


def adamw(learning_rate: float) -> Mapping[str, Any]:
    """AdamW at a peak learning rate."""
    return {"optimizer": "adamw", "learning_rate": learning_rate}


def ngrams(order: int, dropout: float = 0.0) -> Values:
    """Embeddings of n-grams of up to `order` tokens; order 1: none."""
    if order == 1:
        return {}
    values: Values = {"ngram_order": order, "ngram_rows": NGRAM_ROWS}
    return {**values, "ngram_dropout": dropout} if dropout else values


TIMES_OF_WINDOW_MEMBERS: Mapping[int, Points] = {
    16: ((50_000, 16.0), (250_000, 12.0)),
    8: ((10_000, 20.0), (50_000, 9.0), (250_000, 6.0)),
    4: ((50_000, 6.5), (400_000, 1.6), (1_500_000, 1.6), (5_000_000, 8.0)),
    2: ((50_000, 4.2), (400_000, 1.3), (1_500_000, 1.3), (5_000_000, 6.0)),
}


def window_rung(
    budget: float,
    *,
    context_length: int,
    d_embed: int,
    batch_size: int,
    learning_rate: float,
    ngram_order: int = 1,
    ngram_dropout: float = 0.0,
    batch_grows: bool = True,
    **more: Any,
) -> Size:
    """A rung of a model over a window; `more` are settings of one architecture."""
    return Size(
        budget=budget,
        model={
            "context_length": context_length,
            "d_embed": d_embed,
            **more,
            **ngrams(ngram_order, ngram_dropout),
        },
        training={
            "batch_size": batch_size,
            "sequence_length": 64,
            "learning_rate": learning_rate,
        },
        batch_grows=batch_grows,
    )


def self_attention_rung(
    budget: float,
    *,
    d_model: int,
    n_layers: int,
    n_heads: int,
    context_length: int,
    batch_size: int,
    update: Mapping[str, Any] = MUON,
    ngram_order: int = 1,
    ngram_dropout: float = 0.0,
    **more: Any,
) -> Size:
    """A rung of blocks of self-attention; `more` are settings of one architecture."""
    return Size(
        budget=budget,
        model={
            "d_model": d_model,
            "n_layers": n_layers,
            "n_heads": n_heads,
            "context_length": context_length,
            **more,
            **ngrams(ngram_order, ngram_dropout),
        },
        training={"batch_size": batch_size, **update},
    )


# --- the coursework's setups --------------------------------------------------------------------

CLASSIC_WINDOW: Mapping[str, Any] = {
    "context_length": 128,
    "d_embed": 128,
    "initialization": "pytorch",
}
CLASSIC_SELF_ATTENTION: Mapping[str, Any] = {
    "d_model": 128,
    "n_layers": 3,
    "n_heads": 4,
    "context_length": 128,
    "positional_encoding": "learned",
    "norm": "layer",
    "norm_position": "post",
    "dropout": 0.1,
    "bias": True,
    "qk_norm": False,
    "initialization": "pytorch",
}
