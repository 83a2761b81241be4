"""How everything looks, beyond what `.streamlit/config.toml` can say."""

import streamlit as st

_CSS = """
.stMainBlockContainer { max-width: 76rem; }
.stMainBlockContainer [data-testid="stMarkdownContainer"] > p {
  max-width: 44rem; text-wrap-style: pretty;
}
h1, h2, h3 { letter-spacing: -0.01em; text-wrap-style: balance; }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.8; }
[data-testid="stSliderThumbValue"], [data-testid="stSliderThumbValue"] * { color: inherit; }
button[data-variant="segmented_control"][aria-checked="true"],
button[data-variant="segmented_control"][aria-checked="true"] p {
  color: inherit !important; font-weight: 600;
}
[data-testid="stWidgetLabel"] code {
  background: none; padding: 0; color: inherit; opacity: 0.75; white-space: nowrap;
}
[data-testid="stMetricValue"], td, th { font-variant-numeric: tabular-nums; }
"""


def apply() -> None:
    """Add the few rules that the theme file cannot hold: length of lines, figures that align."""
    st.html(f"<style>{_CSS}</style>")
