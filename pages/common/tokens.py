"""Browser components for what a model writes: tokens by probability, next-token bars.

Both show text through the DOM's `textContent`, so `$x$`, `*a*` or `<script>` appear to the letter.
Call them inside a fragment where they are redrawn often.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st


def _component(name: str):
    folder = Path(__file__).parent
    return st.components.v2.component(
        f"lm_{name}",
        html='<div class="root"></div>',
        css=(folder / f"{name}.css").read_text(encoding="utf-8"),
        js=(folder / f"{name}.js").read_text(encoding="utf-8"),
    )


_text_view = _component("text_view")
_bars = _component("bars")

SHOWN_TOKENS = 10


def text_view(
    label: str,
    texts: Sequence[str],
    probabilities: Sequence[float],
    *,
    key: str,
    prompt: str = "",
    height: int | None = None,
) -> None:
    """Show tokens one after another, coloured by the probability the model gave each.

    Args:
        label: Says what the text is, for those who do not see it.
        texts: One string per token; together they are the text.
        probabilities: In [0, 1], one per token.
        key: Unique on the page.
        prompt: What came before the tokens; shown bold and uncoloured.
        height: Pixels after which the text scrolls.
    """
    _text_view(
        data={
            "label": label,
            "prompt": prompt,
            "texts": list(texts),
            "probabilities": [float(p) for p in probabilities],
            "height": height,
        },
        key=key,
    )


def next_token_bars(
    label: str,
    texts: Sequence[str],
    log_probabilities: np.ndarray,
    *,
    settings: Mapping[str, float],
    keys: Mapping[str, str],
    key: str,
) -> None:
    """Show the most probable next tokens before and after temperature and filters.

    The browser weighs anew whenever one of the widgets in `keys` moves, without asking the server.

    Args:
        label: The table's caption.
        texts: The most probable tokens, falling; each gets a row.
        log_probabilities: (V,) natural logarithms for the whole vocabulary, falling.
        settings: temperature, top_k (0: off), top_p (1: off), min_p (0: off).
        keys: The `key` of the slider that sets each of them.
        key: Unique on the page.
    """
    packed = np.ascontiguousarray(log_probabilities, dtype="<f4").tobytes()
    _bars(
        data={
            "label": label,
            "texts": list(texts),
            "log_probabilities": base64.b64encode(packed).decode("ascii"),
            "settings": dict(settings),
            "keys": dict(keys),
        },
        key=key,
    )
