"""Sweeps and the study as the server trains them: a thread follows each, its workers do the work.

A thread is lost with the server, and nothing else is: the runs lie on disk, and whoever starts
the same sweep again goes on where they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import streamlit as st

from lm.jobs.sweeps import SweepProgress
from lm.runs import forecast
from pages.common import wording

Report = Callable[[SweepProgress], None]
Stopped = Callable[[], bool]

MOST_PROBLEMS = 5  # that are listed


class Work:
    """Trainings on their way, by a function that returns when none is left or it is stopped."""

    def __init__(self, train: Callable[[Report, Stopped], dict[str, str]]) -> None:
        """`train` gives the runs that did not complete: id -> reason."""
        self.progress: SweepProgress | None = None
        self.problems: dict[str, str] = {}  # run id -> reason; "" for what ended all of it
        self._stop = threading.Event()
        self._train = train
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at it."""
        return self._thread.is_alive()

    @property
    def pausing(self) -> bool:
        """Whether it is about to leave off."""
        return self.running and self._stop.is_set()

    def pause(self) -> None:
        """Let every run checkpoint and leave off."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self.problems = self._train(self._report, self._stop.is_set)
        except Exception as error:  # the thread has nobody else to tell
            self.problems = {"": str(error) or type(error).__name__}

    def _report(self, progress: SweepProgress) -> None:
        self.progress = progress


@st.cache_resource(show_spinner=False)
def works() -> dict[str, Work]:
    """The server's works by name; the last of each name, ended or not."""
    return {}


def pause_button(work: Work) -> None:
    """Have it leave off."""
    label = "Pausing …" if work.pausing else "Pause"
    if st.button(label, disabled=work.pausing, key="work-pause", icon=":material/pause:"):
        work.pause()
        st.rerun()


def problems(work: Work | None) -> None:
    """Why runs did not complete, once it has ended; a pause is no problem."""
    if work is None or work.running or not work.problems:
        return
    lines = [
        f"{wording.plain(run_id)}: {wording.plain(reason)}" if run_id else wording.plain(reason)
        for run_id, reason in work.problems.items()
    ]
    more = f"  \n… and {len(lines) - MOST_PROBLEMS} more" if len(lines) > MOST_PROBLEMS else ""
    st.warning("  \n".join(lines[:MOST_PROBLEMS]) + more)


def bar(work: Work) -> None:
    """How far it is, in a bar and in words."""
    progress = work.progress
    if progress is None:
        st.progress(0.0, text="Getting ready …")
        return
    parts = [f"{progress.n_complete:,} of {progress.n_runs:,} runs complete"]
    parts += [f"{progress.n_failed:,} failed"] if progress.n_failed else []
    parts += [f"{len(progress.training):,} training"]
    parts += [f"about {forecast.in_words(progress.seconds_left)} left"]
    st.progress(min(1.0, progress.share), text=" · ".join(parts))
