"""A guess of where the loss will end, made before a run starts and judged when it has ended.

People who commit to a guess remember better what they then see: Kim, Reinecke and Hullman 2017,
"Explaining the gap: visualizing one's predictions improves recall and comprehension of data".
"""

from __future__ import annotations

import streamlit as st

from lm.runs import Run, RunError
from lm.runs.guess import MOST, read_guess, write_guess
from pages.common import wording

_COUNT = "guesses_made"  # each run gets a field that is empty at first


def ask() -> None:
    """The field for the guess."""
    st.number_input(
        "Your guess: validation loss at the end",
        min_value=0.01,
        max_value=MOST,
        value=None,
        step=0.05,
        format="%.2f",
        key=_key(),
        placeholder="optional",
        width=280,
        help="Nats per token; lower is better. The dashed lines show what guessing the next token "
        "costs. Your guess is drawn into the chart, and judged at the end.",
    )


def current() -> float | None:
    """What stands in the field."""
    return st.session_state.get(_key())


def keep(run: Run) -> None:
    """Write the guess beside the run that starts, and empty the field. Raises `RunError`."""
    loss = current()
    if loss is not None:
        write_guess(run, loss)
        st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1


def of(run: Run) -> float | None:
    """The guess that was made for a run; None, too, where its file is damaged."""
    try:
        return read_guess(run)
    except RunError:
        return None


def judge(run: Run) -> None:
    """Say how good the guess was, once the run has been scored; or why there is none."""
    try:
        loss = read_guess(run)
    except RunError as error:
        st.caption(wording.plain(str(error)))
        return
    if loss is not None and run.state == "complete" and run.status.valid is not None:
        st.markdown(wording.plain(verdict(loss, run.status.valid.loss)))


def verdict(guess: float, loss: float) -> str:
    """A guess beside what came of it, both nats per token: a sentence."""
    said, ended = round(guess, 2), round(loss, 2)
    sentence = f"You said {said:.2f}; it ended at {ended:.2f}"
    if said == ended:
        return f"{sentence}, as you said."
    return f"{sentence}, {abs(ended - said):.2f} {'lower' if ended < said else 'higher'}."


def _key() -> str:
    return f"guess-{st.session_state.get(_COUNT, 0)}"
