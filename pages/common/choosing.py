"""Choices of one among several."""

from collections.abc import Collection, Iterable
from typing import Any

import streamlit as st


def keep_among(key: str, options: Collection[Any], otherwise: Any) -> None:
    """Before a widget is drawn: set it to `otherwise` where its choice is not offered any more.

    A choice that is deleted instead stays to be read in the browser, while the page goes on with
    another.
    """
    if st.session_state.get(key) not in options:
        st.session_state[key] = otherwise


def switch(label: str, options: Iterable[str], *, key: str, **how: Any) -> str:
    """A row of buttons, of which one is always pressed: at first the first."""
    names = list(options)
    how = {"default": names[0], "required": True, "persist_state": "session", **how}
    return st.segmented_control(label, names, key=key, **how) or names[0]
