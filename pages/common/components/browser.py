"""Components that live in the browser: a script and a style sheet beside this file.

All of them put text into the DOM's `textContent`, so that `$x$`, `*a*` or `<script>` appear as they
are. Call them inside a fragment where they are redrawn often.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike


def component(name: str) -> Callable[..., Any]:
    """The component whose files are `<name>.css` and `<name>.js`; its script may use `dom.js`."""
    return st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue] - loaded late
        f"lm_{name}",
        html='<div class="root"></div>',
        css=read(f"{name}.css"),
        js=read("dom.js") + read(f"{name}.js"),
    )


def read(file: str) -> str:
    """The text of a file in this folder."""
    return Path(__file__).with_name(file).read_text(encoding="utf-8")


def packed(numbers: ArrayLike) -> str:
    """Numbers as `unpack` in `dom.js` reads them: float32 in base64."""
    return base64.b64encode(np.asarray(numbers, dtype="<f4").tobytes()).decode("ascii")
