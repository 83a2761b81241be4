"""A chart that can be saved as a picture."""

from typing import Any

import streamlit as st

from lm import charts


def place(chart: Any, *, key: str, alt: str) -> None:
    """A chart, and itself as a picture; the chart's own menu has it as PNG."""
    st.altair_chart(chart, key=key, alt=alt)
    if not charts.SVG:
        return
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
