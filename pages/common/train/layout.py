"""Where things stand on the Train page: form, curve, and beside the curve its figures.

On a wide screen they are three columns, on one of middle width two. On a phone they stand one below
another, with the button that starts a run right after the budget, before the other settings.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# Architectures may take several rows, so each button stands alone. Each container with a key is the
# only child of an element of Streamlit's.
_CSS = """
[class*="st-key-architecture"] [role="radiogroup"] { gap: 0.375rem; }
[class*="st-key-architecture"] [role="radiogroup"] button { border-radius: 0.5rem; margin: 0; }
[class*="st-key-architecture"] [role="radiogroup"] button[aria-checked="false"] {
  border-color: color-mix(in srgb, currentColor 20%, transparent) !important;
}
.st-key-queue .stPageLink a { background: none; }
.st-key-queue .stPageLink a * { font-weight: 400; }
.st-key-train-page { display: grid; grid-template-columns: minmax(0, 1fr); }
.st-key-figures { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); }
@media (max-width: 640px) { .st-key-run > :has(> .st-key-start-row) { order: -1; } }
@media (min-width: 641px) {
  .st-key-train-page {
    grid-template: "dials run" auto "settings run" 1fr / minmax(0, 5fr) minmax(0, 8fr);
    column-gap: 4rem;
  }
  .st-key-train-page > :has(> .st-key-dials) { grid-area: dials; }
  .st-key-train-page > :has(> .st-key-run) { grid-area: run; }
  .st-key-train-page > :has(> .st-key-settings) { grid-area: settings; }
}
@media (min-width: 1200px) {
  .stMainBlockContainer:has(.st-key-train-page) {
    max-width: 100rem; padding-inline: 3rem;
  }
  .st-key-train-page { grid-template-columns: 22rem minmax(0, 1fr); }
  .st-key-run-body { display: grid; grid-template-columns: minmax(0, 1.5fr) minmax(0, 1fr); }
  .st-key-run-body { column-gap: 2.5rem; align-items: start; }
}
"""


def page() -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Where the form's first dials go, where what a run costs and does, and where its settings."""
    st.html(f"<style>{_CSS}</style>")
    with st.container(key="train-page"):
        return st.container(key="dials"), st.container(key="run"), st.container(key="settings")


def run() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where the curve of a run goes, and where its figures and samples go: beside it or below."""
    with st.container(key="run-body"):
        return st.container(key="run-curve"), st.container(key="run-side")
