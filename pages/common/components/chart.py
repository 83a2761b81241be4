"""Charts on a page, in the theme of the program."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from lm import charts


@dataclass(frozen=True)
class _Unchecked:
    """A chart that is not held against Altair's whole schema: that takes as long as all else.

    A schema finds mistakes of whoever writes a chart, and tests hold every chart against it.
    """

    chart: Any

    def to_dict(self) -> dict[str, Any]:
        """What Streamlit asks of a chart: its Vega-Lite specification."""
        return self.chart.to_dict(validate=False)


def draw(chart: Any, *, alt: str, key: str | None = None) -> None:
    """Draw a chart; `alt` says what it shows, for those who do not see it."""
    charts.use_theme()  # not at the server's start: pages without charts load no Altair
    unchecked: Any = _Unchecked(chart)
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
