"""How self-attention without feed-forward is sized for a budget."""

from __future__ import annotations

from functools import partial

from lm.architectures.recipes import CLASSIC_SELF_ATTENTION, MUON, Recipes, WordRecipes, adamw
from lm.architectures.recipes import self_attention_rung as _rung

_by_adamw = partial(_rung, update=adamw(0.02))
_two_levels = partial(_rung, output="two_level")

STUDY = (
    _by_adamw(0, d_model=16, n_layers=1, n_heads=1, context_length=16, batch_size=4),
    _by_adamw(2e10, d_model=32, n_layers=2, n_heads=2, context_length=32, batch_size=8),
    _rung(2.5e11, d_model=64, n_layers=3, n_heads=4, context_length=64, batch_size=16),
    _rung(3e12, d_model=96, n_layers=4, n_heads=4, context_length=128, batch_size=32),
    _rung(3e13, d_model=160, n_layers=5, n_heads=6, context_length=128, batch_size=48),
)
MODERN = (
    _by_adamw(0, d_model=16, n_layers=1, n_heads=1, context_length=16, batch_size=4, ngram_order=5),
    _by_adamw(
        5e9, d_model=16, n_layers=1, n_heads=2, context_length=32, batch_size=8, ngram_order=6
    ),
    _by_adamw(
        2e10, d_model=24, n_layers=1, n_heads=2, context_length=32, batch_size=8, ngram_order=5
    ),
    _by_adamw(
        2e11, d_model=32, n_layers=2, n_heads=2, context_length=32, batch_size=8, ngram_order=6
    ),
    _rung(6e11, d_model=64, n_layers=3, n_heads=4, context_length=64, batch_size=16, ngram_order=6),
    _rung(2e12, d_model=96, n_layers=3, n_heads=4, context_length=64, batch_size=16, ngram_order=6),
    _rung(
        8e12, d_model=192, n_layers=4, n_heads=4, context_length=64, batch_size=16, ngram_order=6
    ),
    _rung(
        2.5e13, d_model=256, n_layers=5, n_heads=4, context_length=128, batch_size=16, ngram_order=6
    ),
)
WORDS = (
    _two_levels(0, d_model=16, n_layers=1, n_heads=1, context_length=16, batch_size=8),
    _two_levels(5e10, d_model=24, n_layers=1, n_heads=2, context_length=32, batch_size=16),
    _two_levels(5e11, d_model=48, n_layers=3, n_heads=2, context_length=64, batch_size=16),
    _two_levels(2e12, d_model=64, n_layers=4, n_heads=4, context_length=64, batch_size=32),
    _two_levels(8e12, d_model=96, n_layers=4, n_heads=4, context_length=64, batch_size=32),
    _two_levels(3e13, d_model=128, n_layers=5, n_heads=4, context_length=64, batch_size=32),
)

RECIPES = Recipes(
    ladders={"study": STUDY, "modern": MODERN},
    fixed={"classic": {**CLASSIC_SELF_ATTENTION, "d_head": 32}},
    words=WordRecipes(ladder=WORDS, model={"tie_embeddings": True}, training=MUON, enough=1.1e11),
    worth=8.7e12,
    times_of_members={
        4: ((50_000, 20.0), (400_000, 16.0)),
        2: ((50_000, 7.5), (400_000, 4.0)),
    },
)
