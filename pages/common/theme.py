"""How everything looks, beyond what `.streamlit/config.toml` can say."""

import streamlit as st

# Okabe and Ito's colours, told apart by the colour-blind and by 3:1 from both backgrounds.
ARCHITECTURE_COLORS = {
    "linear": "#cc79a7",
    "mlp": "#009e73",
    "attention": "#d55e00",
    "transformer": "#0072b2",
}
ARCHITECTURE_MARKS = {"linear": "●", "mlp": "■", "attention": "▲", "transformer": "◆"}

_CSS = """
.stMainBlockContainer { max-width: 76rem; }
.stMainBlockContainer [data-testid="stMarkdownContainer"] > p {
  max-width: 44rem; text-wrap-style: pretty;
}
h1, h2, h3 { letter-spacing: -0.01em; text-wrap-style: balance; }
[data-testid="stMetricValue"], td, th { font-variant-numeric: tabular-nums; }
"""


def apply() -> None:
    """Add the few rules the theme file has no words for: length of lines, figures that align."""
    st.html(f"<style>{_CSS}</style>")
