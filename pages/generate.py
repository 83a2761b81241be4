"""Generate: let trained models continue a prompt, side by side."""

import streamlit as st

from pages.common import caches, first_run, shell, writing
from pages.common.components.bars import next_token_bars
from pages.common.generate import copies, texts
from pages.common.generate.form import SLIDERS, WritingTask, able, form


def act(request: WritingTask) -> list[writing.Lane]:
    """Start writing when asked to; what was written stays until the next time."""
    with st.container(horizontal=True, vertical_alignment="center"):
        asked = st.button("Generate", type="primary", key="generate", disabled=not request.runs)
        st.caption("The address bar holds all these settings: copy it to share them.")
    if asked:
        with st.spinner("Loading the checkpoints …"):
            lanes = writing.begin(request.runs, request.prompt, request.n_tokens, request.sampling)
        for lane in lanes:
            copies.train_text(lane.run.config.data)  # begins to index it, while the lanes write
        st.session_state["texts"] = lanes
    return st.session_state.get("texts", [])


def show_next_tokens(request: WritingTask) -> None:
    """Next-token bars for every checkpoint; they follow the sliders in the browser."""
    st.header("The next token", anchor=False)
    st.markdown(
        "What each checkpoint expects right after the prompt, before and after temperature and "
        "filters. Move a slider and watch."
    )
    settings = request.sampling.model_dump(include=set(SLIDERS))
    for index, column in enumerate(st.columns(len(request.runs))):
        run = request.runs[index]
        with column:
            likeliest, log_probabilities = caches.next_token(run, request.prompt)
            next_token_bars(run.name, likeliest, log_probabilities, settings, key=f"bars-{index}")


shell.page(
    "Generate",
    "Let trained models continue a prompt, side by side, and see how sure they were of each token.",
)
runs = caches.trained_runs()
if runs:
    request = able(form(runs))
    written = act(request)
    with st.container():  # so that what stands below keeps its place as they grow
        texts.show(written)
    if request.runs:
        show_next_tokens(request)
else:
    first_run.offer("There is no trained model to write with yet.")
