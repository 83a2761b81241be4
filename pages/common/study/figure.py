"""A figure of the coursework's study: what it shows in a sentence, and its plots as charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.common import wording

IN_A_ROW = 2  # plots, on a wide screen; on a phone columns stand below each other


def show(figure: Mapping[str, Any]) -> None:
    """Draw a figure, as `lm.study.figures.shown` gives it."""
    if figure["sentence"]:
        st.markdown(wording.plain(figure["sentence"]))
    plots = figure["plots"]
    if len(plots) == 1:
        _plot(plots[0], figure["title"], 0)
    else:
        for start in range(0, len(plots), IN_A_ROW):
            row = plots[start : start + IN_A_ROW]
            for place, (column, plot) in enumerate(
                zip(st.columns(IN_A_ROW, gap="medium"), row, strict=False)
            ):
                with column:
                    _plot(plot, f"{figure['title']}, plot {start + place + 1}", start + place)
    if figure["note"]:
        st.caption(wording.plain(figure["note"]))


def _plot(plot: Mapping[str, Any], alt: str, number: int) -> None:
    """A chart, with what is said of it alone."""
    st.vega_lite_chart(plot["spec"], width="stretch", key=f"study-plot-{number}", alt=alt)
    for sentence in plot["sentences"]:
        st.caption(wording.plain(sentence))
