"""Choices whose options change with what else the page shows."""

from collections.abc import Collection
from typing import Any

import streamlit as st


def keep_among(key: str, options: Collection[Any], otherwise: Any) -> None:
    """Before a widget is drawn: set it to `otherwise` where its choice is not offered any more.

    A choice that is deleted instead stays to be read in the browser, while the page goes on with
    another.
    """
    if st.session_state.get(key) not in options:
        st.session_state[key] = otherwise
