"""The texts as they are written, side by side, and what of them stands in the train text."""

import re
from collections.abc import Sequence

import streamlit as st

from pages.common import wording, writing
from pages.common.choosing import switch
from pages.common.components.text_view import COLOURS, text_view
from pages.common.generate import copies
from pages.common.writing import Lane

SLICE_SECONDS = 0.12
COLOUR_KEY = "colour"
FILE_NAME = re.compile(r"[^\w.,+-]+")  # characters of a run's name that a file's should not have


def show(lanes: Sequence[Lane]) -> None:
    """The texts as they grow, and the control of their colours."""
    if not lanes:
        return
    how = {"bind": "query-params", "persist_state": None, "on_change": "ignore"}
    switch("Colour by", COLOURS.values(), key=COLOUR_KEY, **how)
    busy = any(lane.busy for lane in lanes)
    st.fragment(_show, run_every=SLICE_SECONDS if busy else None)(lanes, busy)


def _show(lanes: Sequence[Lane], timed: bool) -> None:
    """One slice of writing, and the texts after it. `timed`: whether it is called by a timer."""
    was_writing = any(lane.writing for lane in lanes)
    writing.advance(lanes, SLICE_SECONDS)
    for index, (column, lane) in enumerate(zip(st.columns(len(lanes)), lanes, strict=True)):
        with column:
            _show_one(lane, index)
    if was_writing:
        st.button("Stop writing", on_click=writing.stop, args=(lanes,))
    if timed and not any(lane.busy for lane in lanes):
        st.rerun()  # the page, which sets no timer any more


def _show_one(lane: Lane, index: int) -> None:
    st.markdown(f"**{wording.plain(lane.run.name)}**  \n:small[{wording.run_facts(lane.run)}]")
    if lane.problem:
        st.error(wording.plain(lane.problem))
        return
    copied = None
    if not lane.writing:
        lane.copied = lane.copied or copies.look_up(lane.run, tuple(lane.texts))
        copied = lane.copied.result() if lane.copied.done() else copies.LOOKING
    text_view(
        f"Text by {lane.run.name}",
        lane.texts,
        lane.probabilities,
        prompt=lane.prompt,
        height=420,
        key=f"text-{index}",
        tokens=lane.tokens,
        names=lane.names,
        copied=copied,
        colour_key=COLOUR_KEY,
    )
    if not lane.writing:
        st.download_button(
            "Save text",
            lane.prompt + "".join(lane.texts),
            f"{FILE_NAME.sub('_', lane.run.name)}.txt",
            "text/plain",
            key=f"save-{index}",
            icon=":material/download:",
            on_click="ignore",
        )
