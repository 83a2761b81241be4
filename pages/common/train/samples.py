"""The samples that a run wrote while it learnt, one at a time."""

from collections.abc import Sequence

import streamlit as st

from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import Run
from pages.common import wording
from pages.common.components.text_view import text_view


def show(run: Run) -> None:
    """The newest sample, and a slider to those before it."""
    samples = run.samples()
    if samples.empty:
        return
    steps = [int(step) for step in samples["step"]]
    wanted = st.session_state.get("sample_at", {}).get(run.run_id)
    at = wanted if wanted in steps else steps[-1]
    if len(steps) == 1:
        st.markdown("**What it writes**")
    else:
        key = f"sample-step-{run.run_id}-{len(steps)}"
        st.select_slider(
            "**What it writes** after step",
            steps,
            at,
            key=key,
            format_func=wording.count,
            on_change=_scrub,
            args=(run.run_id, key, steps[-1]),
        )
    row = samples[samples["step"] == at].iloc[-1]
    pieces = _spaced(run, row.prompt, row.text, row.tokens) if row.tokens else [row.text]
    probabilities = list(row.probabilities) if row.tokens else [1.0]
    text_view(
        f"Sample of {run.name} after step {at}",
        pieces,
        probabilities,
        prompt=row.prompt,
        height=300,
        key="run-sample",
    )
    st.caption(
        f"Written after step {at:,} at temperature {row.temperature:g}, seed {int(row.seed)}."
    )


def _scrub(run_id: str, key: str, newest: int) -> None:
    """Stay at the sample that the user moved to; at the newest, follow new ones."""
    step = st.session_state[key]
    st.session_state["sample_at"] = {run_id: None if step == newest else step}


def _spaced(run: Run, prompt: str, text: str, drawn: Sequence[str]) -> list[str]:
    """The tokens `drawn`, each with the white space that stands before it in `text`."""
    pieces, at = [], 0
    for token in drawn:
        start = text.find(token, at)
        piece = text[at : start + len(token)]
        if start < 0 or piece.removesuffix(token).strip():  # shown otherwise than written: bytes
            pieces.append(token)
            continue
        pieces.append(piece)
        at = start + len(token)
    separator = TOKENIZERS[run.config.data.tokenizer].separator
    if separator and not prompt.endswith((separator, "\n")):
        pieces[0] = separator + pieces[0]
    return pieces
