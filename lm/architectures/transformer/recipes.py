"""How the transformer is sized for a budget, and as others set it up."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from lm.architectures.recipes import (
    CLASSIC_SELF_ATTENTION,
    MUON,
    Recipes,
    Size,
    Values,
    WordRecipes,
    adamw,
    self_attention_rung,
)


def _rung(budget: float, *, d_model: int, **others: Any) -> Size:
    """A rung whose feed-forward is four times as wide as the model."""
    return self_attention_rung(budget, d_model=d_model, **others, d_ff=4 * d_model)


def _follow(base: Values, given: Mapping[str, Any]) -> Values:
    """A width set by hand brings a feed-forward of four times that, and heads that fit."""
    with contextlib.suppress(TypeError, ValueError):  # the config's own error names it
        if "d_model" in given:
            d_model = int(given["d_model"])
            fitting = [h for h in range(1, base["n_heads"] + 1) if d_model % (2 * h) == 0]
            n_heads = fitting[-1] if fitting else 1
            return {**base, "d_ff": max(1, 4 * d_model), "n_heads": n_heads}
    return base


# github.com/karpathy/nanoGPT: model.py, and the README's settings for a CPU
NANOGPT: Mapping[str, Any] = {
    "d_model": 128,
    "d_ff": 512,
    "n_layers": 4,
    "n_heads": 4,
    "context_length": 64,
    "positional_encoding": "learned",
    "norm": "layer",
    "norm_position": "pre",
    "tie_embeddings": True,
    "dropout": 0.0,
    "bias": False,
    "qk_norm": False,
    "activation": "gelu",
    "initialization": "gpt2",
}

_by_adamw = partial(_rung, update=adamw(0.02))
_by_slow_adamw = partial(_rung, update=adamw(0.01))
_two_levels = partial(_rung, output="two_level")


def _with_pairs(budget: float, **others: Any) -> Size:
    """A rung for words with embeddings of pairs of words too, half of them left out at random."""
    update = {**MUON, "adamw_learning_rate": 0.02}
    rung = _two_levels(budget, **others, update=update, ngram_order=2, ngram_dropout=0.5)
    return replace(rung, model={**rung.model, "ngram_rows": 131_072})


STUDY = (
    _by_adamw(0, d_model=16, n_layers=1, n_heads=1, context_length=16, batch_size=8),
    _by_adamw(2e10, d_model=24, n_layers=1, n_heads=2, context_length=32, batch_size=8),
    _by_adamw(5e10, d_model=32, n_layers=2, n_heads=2, context_length=32, batch_size=8),
    _rung(2e11, d_model=48, n_layers=2, n_heads=2, context_length=48, batch_size=16),
    _rung(6e11, d_model=64, n_layers=2, n_heads=4, context_length=64, batch_size=16),
    _rung(3e12, d_model=96, n_layers=3, n_heads=4, context_length=128, batch_size=32),
    _rung(2e13, d_model=128, n_layers=4, n_heads=4, context_length=128, batch_size=32),
    _rung(5e13, d_model=160, n_layers=4, n_heads=5, context_length=128, batch_size=32),
)
MODERN = (
    _by_adamw(0, d_model=8, n_layers=1, n_heads=1, context_length=16, batch_size=8, ngram_order=5),
    _by_adamw(
        1.5e9, d_model=12, n_layers=1, n_heads=1, context_length=16, batch_size=8, ngram_order=5
    ),
    _by_slow_adamw(
        3.3e9, d_model=12, n_layers=1, n_heads=1, context_length=32, batch_size=8, ngram_order=5
    ),
    _by_slow_adamw(
        9e9, d_model=16, n_layers=1, n_heads=1, context_length=16, batch_size=8, ngram_order=5
    ),
    _by_slow_adamw(
        1.2e10, d_model=16, n_layers=1, n_heads=2, context_length=32, batch_size=16, ngram_order=6
    ),
    _by_slow_adamw(
        2e10, d_model=24, n_layers=1, n_heads=2, context_length=32, batch_size=16, ngram_order=6
    ),
    _by_slow_adamw(
        2e11, d_model=32, n_layers=1, n_heads=2, context_length=32, batch_size=16, ngram_order=6
    ),
    _rung(4e11, d_model=64, n_layers=1, n_heads=4, context_length=64, batch_size=16, ngram_order=6),
    _rung(6e11, d_model=96, n_layers=1, n_heads=4, context_length=64, batch_size=16, ngram_order=6),
    _rung(
        4e12, d_model=96, n_layers=2, n_heads=4, context_length=128, batch_size=16, ngram_order=6
    ),
    _rung(
        6e12, d_model=96, n_layers=4, n_heads=4, context_length=128, batch_size=16, ngram_order=6
    ),
    _rung(
        2e13, d_model=160, n_layers=4, n_heads=4, context_length=128, batch_size=16, ngram_order=6
    ),
    _rung(
        6e13, d_model=160, n_layers=5, n_heads=4, context_length=256, batch_size=8, ngram_order=6
    ),
)
WORDS = (
    _two_levels(0, d_model=16, n_layers=1, n_heads=1, context_length=16, batch_size=8),
    _two_levels(5e10, d_model=24, n_layers=1, n_heads=2, context_length=32, batch_size=16),
    _two_levels(5e11, d_model=48, n_layers=2, n_heads=2, context_length=64, batch_size=16),
    _with_pairs(2e12, d_model=64, n_layers=3, n_heads=4, context_length=64, batch_size=32),
    _with_pairs(8e12, d_model=96, n_layers=3, n_heads=4, context_length=64, batch_size=32),
    _with_pairs(3e13, d_model=128, n_layers=4, n_heads=4, context_length=64, batch_size=32),
)

RECIPES = Recipes(
    ladders={"study": STUDY, "modern": MODERN},
    fixed={
        "classic": {**CLASSIC_SELF_ATTENTION, "d_ff": 256, "activation": "relu"},
        "nanogpt": NANOGPT,
    },
    follow=_follow,
    words=WordRecipes(
        ladder=WORDS,
        model={"tie_embeddings": True},
        training=MUON,
        enough=1.1e11,
    ),
)
