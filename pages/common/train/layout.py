"""Where things stand on the Train page: form, curve, and beside the curve its figures.

On a wide screen they are three columns, on one of middle width two, on a phone one below another.
"""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# Architectures may take several rows, so each button stands alone. A column of Streamlit's is the
# child of a row that is the child of the container that has the key.
_CSS = """
[class*="st-key-architecture"] [role="radiogroup"] { gap: 0.375rem; }
[class*="st-key-architecture"] [role="radiogroup"] button { border-radius: 0.5rem; margin: 0; }
[class*="st-key-architecture"] [role="radiogroup"] button[aria-checked="false"] {
  border-color: color-mix(in srgb, currentColor 20%, transparent) !important;
}
.st-key-figures { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); }
@media (min-width: 1200px) {
  .stMainBlockContainer:has(.st-key-train-page) {
    max-width: 100rem; padding-inline: 3rem;
  }
  .st-key-train-page > * > .stHorizontalBlock > .stColumn:first-child { flex: 0 0 22rem; }
  .st-key-train-page > * > .stHorizontalBlock > .stColumn:last-child { flex: 1 1 0; }
  .st-key-run-body { display: grid; grid-template-columns: minmax(0, 1.5fr) minmax(0, 1fr); }
  .st-key-run-body { column-gap: 2.5rem; align-items: start; }
}
"""


def page() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where the form goes, and where all else goes."""
    st.html(f"<style>{_CSS}</style>")
    with st.container(key="train-page"):
        form, rest = st.columns([5, 8], gap="large")
    return form, rest


def run() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where the curve of a run goes, and where its figures and samples go: beside it or below."""
    with st.container(key="run-body"):
        return st.container(key="run-curve"), st.container(key="run-side")
