"""How the multi-layer perceptron is sized for a budget."""

from __future__ import annotations

from functools import partial

from lm.architectures.recipes import (
    CLASSIC_WINDOW,
    TIMES_OF_WINDOW_MEMBERS,
    Recipes,
    WordRecipes,
    window_rung,
)

_rung = partial(window_rung, n_layers=1)

STUDY = (
    _rung(0, context_length=6, d_embed=16, d_hidden=48, batch_size=4, learning_rate=0.01),
    _rung(2e10, context_length=8, d_embed=16, d_hidden=96, batch_size=16, learning_rate=0.01),
    _rung(
        3e11,
        context_length=12,
        d_embed=16,
        d_hidden=256,
        n_layers=2,
        batch_size=16,
        learning_rate=0.005,
    ),
    _rung(
        3e13,
        context_length=16,
        d_embed=24,
        d_hidden=512,
        n_layers=2,
        batch_size=64,
        learning_rate=0.003,
    ),
)
MODERN = (
    _rung(
        0,
        context_length=5,
        d_embed=8,
        d_hidden=16,
        batch_size=4,
        learning_rate=0.01,
        ngram_order=5,
    ),
    _rung(
        2e9,
        context_length=6,
        d_embed=16,
        d_hidden=48,
        batch_size=4,
        learning_rate=0.01,
        ngram_order=5,
    ),
    _rung(
        2e10,
        context_length=8,
        d_embed=16,
        d_hidden=96,
        batch_size=16,
        learning_rate=0.01,
        ngram_order=5,
    ),
    _rung(
        2e11,
        context_length=10,
        d_embed=16,
        d_hidden=160,
        batch_size=16,
        learning_rate=0.007,
        ngram_order=6,
    ),
    _rung(
        5e11,
        context_length=12,
        d_embed=16,
        d_hidden=256,
        batch_size=16,
        learning_rate=0.005,
        ngram_order=6,
    ),
    _rung(
        8e11,
        context_length=12,
        d_embed=32,
        d_hidden=512,
        batch_size=16,
        learning_rate=0.005,
        ngram_order=6,
    ),
    _rung(
        6e12,
        context_length=12,
        d_embed=32,
        d_hidden=1024,
        batch_size=16,
        learning_rate=0.005,
        ngram_order=6,
    ),
    _rung(
        2.5e13,
        context_length=12,
        d_embed=64,
        d_hidden=2048,
        batch_size=32,
        learning_rate=0.003,
        ngram_order=6,
    ),
    _rung(
        1e14,
        context_length=12,
        d_embed=64,
        d_hidden=4096,
        batch_size=64,
        learning_rate=0.003,
        ngram_order=6,
    ),
)
# with the large batches that the rules for characters give, words end higher
WORDS = (
    _rung(0, context_length=6, d_embed=16, d_hidden=48, batch_size=4, learning_rate=0.01),
    _rung(2e12, context_length=6, d_embed=16, d_hidden=48, batch_size=8, learning_rate=0.01),
    _rung(1e13, context_length=8, d_embed=16, d_hidden=96, batch_size=16, learning_rate=0.01),
)

RECIPES = Recipes(
    ladders={"study": STUDY, "modern": MODERN},
    fixed={
        "classic": {**CLASSIC_WINDOW, "d_hidden": 256, "n_layers": 2, "activation": "relu"},
    },
    words=WordRecipes(ladder=WORDS, model={}, training={}, enough=1.3e12, weight_decay=0.35),
    times_of_members=TIMES_OF_WINDOW_MEMBERS,
    worth=4.2e12,
    room_per_token=0.0,  # a model of any size can learn a text by heart
    weight_decay_of_repeats=0.35,
    dropout_of_repeats=0.15,
)
