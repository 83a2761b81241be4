"""The settings by which the next token is drawn."""

from __future__ import annotations

from lm.base.settings import Config, setting


class Sampling(Config, frozen=True):
    """How the next token is drawn. Filters apply in the order of the fields."""

    temperature: float = setting(
        1.0, "Below 1 sharper, above 1 flatter; 0: the likeliest.", ge=0, le=10, basic=True
    )
    top_k: int | None = setting(
        None, "Keep this many of the likeliest tokens. Left out: all.", ge=1, le=65536, log=True
    )
    top_p: float = setting(
        1.0, "Keep the fewest likeliest tokens whose probabilities reach this sum.", gt=0, le=1
    )
    min_p: float = setting(
        0.0, "Drop tokens less probable than this share of the likeliest one.", ge=0, le=1
    )
    seed: int = setting(0, "The same seed draws the same text.", ge=0, le=2**31 - 1, basic=True)
