"""What the page says of a run whose process gives no sign of progress."""

import streamlit as st

from lm.jobs.queue import grace, patience
from lm.runs import Run
from pages.common import caches, wording

SECONDS_WORTH_A_LINE = 10.0
SECONDS_TO_LEAVE = 2.0  # in which a process that was asked to pause or stop mostly has


def show(run: Run, now: str) -> None:
    """A line, if there is something to say; `now` is the run's phase."""
    jobs = caches.jobs()
    if now == "starting" and jobs.note:
        st.caption(wording.plain(jobs.note))
    if run.state != "running":
        return
    leaving, silent = jobs.leaving(run), run.seconds_silent
    if leaving and silent > SECONDS_TO_LEAVE:
        st.caption(
            f"Its process was asked to {leaving} and has {grace(run):.0f} s to do so; then it is "
            f"ended. {_onward(run)}"
        )
    elif silent > SECONDS_WORTH_A_LINE:
        ended = run.run_id in jobs.active()
        st.caption(
            f"No progress for {silent:.0f} s."
            + (
                f" After {patience(run):.0f} s its process is ended. {_onward(run)}"
                if ended
                else ""
            )
        )


def _onward(run: Run) -> str:
    saved = run.status.checkpoint_step
    return f"The run can go on from step {saved:,}." if saved else "The run then begins anew."
