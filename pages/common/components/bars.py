"""The likeliest next tokens, a bar for each."""

from collections.abc import Mapping, Sequence

import numpy as np

from pages.common.components.browser import component, packed

MOST_BARS = 10

_bars = component("bars")


def next_token_bars(
    label: str,
    texts: Sequence[str],
    log_probabilities: np.ndarray,
    settings: Mapping[str, float],
    key: str,
) -> None:
    """Show the most probable next tokens before and after temperature and filters.

    Below the bars stand the entropy of either distribution and exp of it: how many tokens, all
    equally likely, would leave as much open. The browser weighs anew whenever one of the sliders
    moves, without asking the server.

    Args:
        label: The table's caption.
        texts: The most probable tokens, falling; each gets a row.
        log_probabilities: (V,) natural logarithms for the whole vocabulary, falling.
        settings: temperature, top_k (0: off), top_p (1: off), min_p (0: off): each the value of
            the slider whose `key` is its name.
        key: Unique on the page.
    """
    _bars(
        data={
            "label": label,
            "texts": list(texts),
            "log_probabilities": packed(log_probabilities),
            "settings": dict(settings),
        },
        key=key,
    )
