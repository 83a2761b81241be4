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
button[data-variant="segmented_control"][aria-checked="true"] p,
button[data-variant="pills"][data-selected="true"],
button[data-variant="pills"][data-selected="true"] p {
  color: inherit !important; font-weight: 600;
}
[data-testid="stWidgetLabel"] code {
  background: none; padding: 0; color: inherit; opacity: 0.75; white-space: nowrap;
}
[data-testid="stMetricValue"], td, th { font-variant-numeric: tabular-nums; }
[data-testid="stTable"] :is(td, th):first-child { padding-left: 0; }
[data-testid="stTable"] :is(td, th):first-child ~ * { text-align: right !important; }
.stElementContainer:has(> .stHtml > script) { position: absolute; } /* it takes no room */
.stPageLink { margin-left: -0.5rem; } /* its text, not the shade below it, stands at the edge */
.st-key-queue a, .st-key-queue a * { white-space: normal !important; overflow: visible; }
@media (max-width: 640px) { /* where buttons take several rows, each stands alone */
  .stButtonGroup [role="radiogroup"] { gap: 0.375rem; }
  .stButtonGroup [role="radiogroup"] button { border-radius: 0.5rem; margin: 0; }
  .stButtonGroup [role="radiogroup"] button[aria-checked="false"] {
    border-color: color-mix(in srgb, currentColor 20%, transparent) !important;
  }
}
"""

# On a wall: type is larger, charts are magnified whole, so that lines thicken and names
# keep their distance, and small print goes, but for what says below a chart what its marks are.
_PROJECTOR_CSS = """
:root { font-size: 21px !important; }
.stVegaLiteChart { zoom: 1.35; }
[data-testid="stElementContainer"]:has(.stVegaLiteChart) {
  width: calc(100% / 1.35) !important; /* as wide as the chart is before it is magnified */
}
.stMainBlockContainer { max-width: 100rem !important; padding: 4.25rem 2rem !important; }
.stMainBlockContainer [data-testid="stMarkdownContainer"] > p { max-width: 60rem; }
[data-testid="stElementContainer"]:has([data-testid="stCaptionContainer"]):not(:has(.stRadio)),
.stRadio [data-testid="stCaptionContainer"] { display: none; }
:is(.st-key-loss-chart, .st-key-frontier-chart, .st-key-setting-chart, .st-key-study-figure)
  [data-testid="stElementContainer"] { display: revert !important; }
.st-key-more, [class*="st-key-svg-"], [data-testid="stMainMenu"],
[data-testid="stTooltipIcon"]:not(:has([data-testid^="stBaseButton"])) { display: none !important; }
/* once there is a run on Train, its curve comes first */
.stMainBlockContainer:has(.st-key-run-heading) .st-key-bill,
.stMainBlockContainer:has(.st-key-run-heading) > * > :has(h1) + * { display: none !important; }
.st-key-time-picture { height: 42rem !important; }
.st-key-run-body { grid-template-columns: minmax(0, 1fr) !important; }
"""

PROJECTOR = "projector"  # in the address of any page: ?projector


def apply() -> None:
    """Add the few rules that the theme file cannot hold: length of lines, figures that align."""
    st.html(f"<style>{_CSS}{_PROJECTOR_CSS if projector() else ''}</style>")


def column_width(size: str) -> int:
    """Pixels of a table's "small" or "medium" column: on a wall its letters are larger."""
    pixels = {"small": 75, "medium": 200}[size]
    return round(1.45 * pixels) if projector() else pixels


def row_height() -> int | None:
    """Pixels of a table's row; None: what Streamlit takes."""
    return 46 if projector() else None


def projector() -> bool:
    """Whether the pages are drawn for a classroom's wall: from `?projector` to the session's end.

    It is taken out of the address, which belongs to the settings of the page.
    """
    if PROJECTOR in st.query_params:
        st.session_state[PROJECTOR] = True
        del st.query_params[PROJECTOR]
    return st.session_state.get(PROJECTOR, False)
