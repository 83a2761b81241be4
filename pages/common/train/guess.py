"""A guess of where the loss will end, made before a run starts and judged when it has ended.

People who commit to a guess remember better what they then see: Kim, Reinecke and Hullman 2017,
"Explaining the gap: visualizing one's predictions improves recall and comprehension of data".
"""

import streamlit as st

from lm.runs import Run, RunError
from lm.runs.frontier import loss_on_validation, score_at
from lm.runs.guess import MOST, read_guess, write_guess
from pages.common import ladders, wording

_COUNT = "guesses_made"  # each run gets a field that is empty at first


def ask(moving: bool) -> None:
    """The field for the guess; while a run is `moving`, it is for the one that starts next."""
    st.number_input(
        "Your guess for the next run" if moving else "Your guess: validation loss at the end",
        min_value=0.01,
        max_value=MOST,
        value=None,
        step=0.05,
        format="%.2f",
        key=_key(),
        placeholder="optional",
        width=360,
        persist_state="session",
        help="Of the validation loss at the end, in nats per token; lower is better. The dashed "
        "lines show what guessing the next token costs. Your guess is drawn into the chart, and "
        "judged at the end.",
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
        guess = read_guess(run)
    except RunError as error:
        st.caption(wording.plain(str(error)))
        return
    if guess is not None and run.state == "complete" and run.status.valid is not None:
        preset, ladder = ladders.reference(run)
        frontier = ladders.frontier(ladder, preset, loss_on_validation)
        line = frontier.lines.get(run.config.model.architecture, ())
        of_ladder = score_at(line, run.status.flops.total)
        st.markdown(wording.plain(verdict(guess, run.status.valid.loss, of_ladder)))


def verdict(guess: float, loss: float, ladder: float | None = None) -> str:
    """A guess beside the loss of the run and that of the ladder, in nats per token: in sentences.

    `ladder`: the loss of the ladder's runs of this architecture for as many FLOPs.
    """
    said, ended = round(guess, 2), round(loss, 2)
    side = f"{abs(ended - said):.2f} {'lower' if ended < said else 'higher'}"
    sentence = f"You said {said:.2f}; it ended at {ended:.2f}, "
    sentence += "as you said." if said == ended else f"{side}."
    if ladder is None:
        return sentence
    sentence += f" The recipe's own runs end at {ladder:.2f} for these FLOPs"
    if round(ladder, 2) == said:
        return f"{sentence}, as you said."
    nearer = abs(guess - loss) < abs(ladder - loss)
    return f"{sentence}: you were {'nearer' if nearer else 'further off'}."


def _key() -> str:
    return f"guess-{st.session_state.get(_COUNT, 0)}"
