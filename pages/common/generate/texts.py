"""The texts as they are written, side by side, and what of them stands in the train text."""

import re
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import streamlit as st

from pages.common import wording, writing
from pages.common.choosing import switch
from pages.common.components.text_view import COLOURS, Copied, text_view
from pages.common.generate import copies
from pages.common.writing import Lane

SLICE_SECONDS = 0.12
COLOUR_KEY = "colour"
FILE_NAME = re.compile(r"[^\w.,+-]+")  # what a name of a run has that a name of a file should not


@dataclass
class Text:
    """What one checkpoint writes and, when it has finished, what of that is copied."""

    lane: Lane
    looked_up: Future[Copied] | None = None

    @property
    def busy(self) -> bool:
        """Whether there is more to come, of the text or about it."""
        return not self.lane.problem and not (self.looked_up and self.looked_up.done())


def begin(lanes: Sequence[Lane]) -> list[Text]:
    """Begin to index the train texts while the lanes write."""
    for lane in lanes:
        copies.train_text(lane.run.config.data)
    return [Text(lane) for lane in lanes]


def show(texts: Sequence[Text]) -> None:
    """The texts as they grow, and the control of their colours."""
    if not texts:
        return
    how = {"bind": "query-params", "persist_state": None, "on_change": "ignore"}
    switch("Colour by", COLOURS.values(), key=COLOUR_KEY, **how)
    busy = any(text.busy for text in texts)
    st.fragment(_show, run_every=SLICE_SECONDS if busy else None)(texts, busy)


def _show(texts: Sequence[Text], timed: bool) -> None:
    """One slice of writing, and the texts after it. `timed`: whether it is called by a timer."""
    was_writing = any(text.lane.writing for text in texts)
    writing.advance([text.lane for text in texts], SLICE_SECONDS)
    for index, (column, text) in enumerate(zip(st.columns(len(texts)), texts, strict=True)):
        lane = text.lane
        if not lane.writing and not lane.problem and text.looked_up is None:
            text.looked_up = copies.look_up(lane.run, tuple(lane.texts))
        looked_up = text.looked_up
        with column:
            facts = wording.run_facts(lane.run)
            st.markdown(f"**{wording.plain(lane.run.name)}**  \n:small[{facts}]")
            if lane.problem:
                st.error(wording.plain(lane.problem))
                continue
            text_view(
                f"Text by {lane.run.name}",
                lane.texts,
                lane.probabilities,
                prompt=lane.prompt,
                height=420,
                key=f"text-{index}",
                tokens=lane.tokens,
                names=lane.names,
                copied=looked_up and (looked_up.result() if looked_up.done() else copies.LOOKING),
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
    if was_writing:
        st.button("Stop writing", on_click=writing.stop, args=([text.lane for text in texts],))
    if timed and not any(text.busy for text in texts):
        st.rerun()  # the page, which sets no timer any more
