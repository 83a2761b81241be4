"""Sweeps and the study in the background: a thread of the server follows each, workers train.

With the server only the thread is lost: the runs lie on disk, and whoever starts the same sweep
again goes on where they are.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from lm import datasets
from lm.jobs.sweeps import SweepProgress, Weights, remembered, run_sweep
from lm.runs import RunStore, forecast
from lm.runs.config import RunConfig
from pages.common import caches, wording

Report = Callable[[SweepProgress], None]
Stopped = Callable[[], bool]

MOST_PROBLEMS = 5  # that are listed


class Work:
    """A function that trains many runs, in a thread of its own, and what it reports."""

    def __init__(self, train: Callable[[Report, Stopped], dict[str, str]]) -> None:
        """Start `train`, which returns the runs that did not complete: id -> reason."""
        self.progress: SweepProgress | None = None
        self.problems: dict[str, str] = {}  # run id -> reason; "" -> what ended all of them
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(train,), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still trains."""
        return self._thread.is_alive()

    @property
    def pausing(self) -> bool:
        """Whether it was told to pause and still trains."""
        return self.running and self._stop.is_set()

    def pause(self) -> None:
        """Let every run write a checkpoint and end."""
        self._stop.set()

    def _run(self, train: Callable[[Report, Stopped], dict[str, str]]) -> None:
        try:
            self.problems = train(self._report, self._stop.is_set)
        except Exception as error:  # the thread has nobody else to tell
            self.problems = {"": str(error) or type(error).__name__}

    def _report(self, progress: SweepProgress) -> None:
        self.progress = progress


def train(
    key: str,
    configs: Sequence[RunConfig],
    store: RunStore,
    weights: Weights = "every",
    names: Mapping[RunConfig, str] | None = None,
) -> None:
    """Start the work `key`: train these runs of a folder, by the server's one queue.

    `weights` says whose are kept, and `names` what new runs are called.
    """
    jobs = caches.jobs()

    def all_of_them(report: Report, stopped: Stopped) -> dict[str, str]:
        result = run_sweep(
            configs,
            store,
            jobs,
            weights=weights,
            on_progress=report,
            should_stop=stopped,
            load=remembered(datasets.load),
            names=names,
        )
        return result.failed | ({} if stopped() else result.unfinished)

    works()[key] = Work(all_of_them)


@st.cache_resource(show_spinner=False)
def works() -> dict[str, Work]:
    """The last `Work` of each name on this server, ended or not."""
    return {}


def pause_button(work: Work) -> None:
    """A button that pauses it."""
    label = "Pausing …" if work.pausing else "Pause"
    if st.button(label, disabled=work.pausing, key="work-pause", icon=":material/pause:"):
        work.pause()
        st.rerun()


def problems(work: Work | None) -> None:
    """Say, once the work has ended, why runs did not complete; a pause is no problem."""
    if work is None or work.running or not work.problems:
        return
    lines = [
        f"{wording.plain(run_id)}: {wording.plain(reason)}" if run_id else wording.plain(reason)
        for run_id, reason in work.problems.items()
    ]
    more = f"  \n… and {len(lines) - MOST_PROBLEMS} more" if len(lines) > MOST_PROBLEMS else ""
    st.warning("  \n".join(lines[:MOST_PROBLEMS]) + more)


def bar(work: Work) -> None:
    """A bar that says how far the work is."""
    progress = work.progress
    if progress is None:
        st.progress(0.0, text="Getting ready …")
        return
    parts = [
        f"{progress.n_complete:,} of {progress.n_runs:,} runs complete",
        f"{progress.n_failed:,} failed" if progress.n_failed else "",
        f"{len(progress.training):,} training",
        f"about {forecast.in_words(progress.seconds_left)} left",
    ]
    st.progress(min(1.0, progress.share), text=" · ".join(filter(None, parts)))
