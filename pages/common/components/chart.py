"""Charts on a page, in the theme of the program."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import streamlit as st

from lm import charts


def draw(chart: Any, *, alt: str, key: str | None = None) -> None:
    """Draw a chart; `alt` says what it shows, for those who do not see it.

    Altair does not check it against its whole schema, which takes as long as all else: tests do.
    """
    charts.use_theme()  # not at the server's start: pages without charts load no Altair
    unchecked: Any = SimpleNamespace(to_dict=partial(chart.to_dict, validate=False))
    st.altair_chart(unchecked, key=key, alt=alt)


def place(chart: Any, *, key: str, alt: str) -> None:
    """Draw a chart with a button that saves it as SVG; the chart's own menu saves it as PNG."""
    draw(chart, key=key, alt=alt)
    st.download_button(
        "Save as SVG",
        data=lambda: charts.to_svg(chart),
        file_name=f"{key}.svg",
        mime="image/svg+xml",
        key=f"svg-{key}",
        on_click="ignore",
        type="tertiary",
        icon=":material/image:",
    )
