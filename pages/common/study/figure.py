"""A figure of the coursework's study: what it shows in a sentence, and its plots as charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.common import wording

IN_A_ROW = 2  # plots, on a wide screen; on a phone columns stand below each other


def show(figure: Mapping[str, Any]) -> None:
    """Draw a figure, as `lm.study.figures.shown` gives it."""
    with st.container(key="study-figure"):
        if figure["sentence"]:
            st.markdown(_text(figure["sentence"]))
        n_plots = len(figure["plots"])
        alone = n_plots % IN_A_ROW  # the first plot, where their number is odd
        for number in range(alone):
            _plot(figure, number)
        for start in range(alone, n_plots, IN_A_ROW):
            for place, column in enumerate(st.columns(IN_A_ROW, gap="medium")):
                with column:
                    _plot(figure, start + place)
        if figure["note"]:
            st.caption(_text(figure["note"]))


def _plot(figure: Mapping[str, Any], number: int) -> None:
    """One chart, with what is said of it alone."""
    plot = figure["plots"][number]
    said = [figure["title"], figure["sentence"], *plot["sentences"]]
    st.vega_lite_chart(
        plot["spec"], width="stretch", key=f"study-plot-{number}", alt=". ".join(filter(None, said))
    )
    for sentence in plot["sentences"]:
        st.caption(_text(sentence))


def _text(sentence: str) -> str:
    """A sentence in which no number is parted from its interval at a line's end."""
    return wording.plain(sentence).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
