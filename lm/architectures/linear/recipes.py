"""How softmax regression is sized for a budget."""

from __future__ import annotations

from functools import partial

from lm.architectures.recipes import (
    CLASSIC_WINDOW,
    TIMES_OF_WINDOW_MEMBERS,
    Recipes,
    ShortTextRecipes,
    WordRecipes,
    window_rung,
)

_rung = partial(window_rung, learning_rate=0.01)

STUDY = (
    _rung(0, context_length=4, d_embed=16, batch_size=8),
    _rung(3e10, context_length=8, d_embed=16, batch_size=16),
    _rung(3e11, context_length=8, d_embed=32, batch_size=32),
)
MODERN = (
    _rung(0, context_length=5, d_embed=8, batch_size=8, ngram_order=5),
    _rung(3e9, context_length=8, d_embed=16, batch_size=8, ngram_order=5),
    _rung(3e10, context_length=8, d_embed=16, batch_size=16, ngram_order=5),
    _rung(2e11, context_length=8, d_embed=32, batch_size=32, ngram_order=5),
    _rung(8e11, context_length=12, d_embed=64, batch_size=32, ngram_order=5),
    _rung(8e12, context_length=12, d_embed=256, batch_size=36, ngram_order=5),
)
# what votes from further back than n-grams reach is learnt by heart
_short_rung = partial(_rung, context_length=5, batch_size=8, ngram_order=5, batch_grows=False)
SHORT_TEXT = (_short_rung(0, d_embed=8), _short_rung(4e8, d_embed=32))
WORDS = (_rung(0, context_length=4, d_embed=16, batch_size=8),)

RECIPES = Recipes(
    ladders={"study": STUDY, "modern": MODERN},
    fixed={"classic": CLASSIC_WINDOW},
    words=WordRecipes(ladder=WORDS, model={}, training={}, enough=5e12, weight_decay=0.2),
    short_text=ShortTextRecipes(
        most_tokens=300_000, ladder=SHORT_TEXT, weight_decay_of_repeats=0.3
    ),
    # eight took longer, and gained nothing over four
    times_of_members={n: TIMES_OF_WINDOW_MEMBERS[n] for n in (4, 2)},
    worth=1.2e12,
)
