"""What else trains on this machine, what waits, and when each begins."""

import contextlib
import heapq
from collections.abc import Sequence

import streamlit as st

from lm.runs import Run, RunError, forecast
from lm.runs.plan import plan
from pages.common import caches, links, wording

SECONDS_BETWEEN_UPDATES = 2.0
MOST_WAITING = 3  # that are named one by one

Demand = tuple[int, float]  # threads, and for how many seconds


def show(run: Run | None, runs: Sequence[Run]) -> None:
    """A line for each run in the queue but the page's own; of that, its place while it waits.

    The lines renew themselves. `runs`, all there are, tell how long a step takes here.
    """
    own = run.run_id if run else None
    st.fragment(_show, run_every=SECONDS_BETWEEN_UPDATES, key="queue-lines")(own, runs)


def _show(own: str | None, runs: Sequence[Run]) -> None:
    queue = caches.jobs()
    active, waiting = _there(queue.active()), _there(queue.waiting())
    if not waiting and all(run.run_id == own for run in active):
        return
    left = {run.run_id: seconds_left(run, runs) for run in (*active, *waiting)}
    begins = begin_in(
        [(run.facts.threads, left[run.run_id]) for run in active],
        [(run.facts.threads, left[run.run_id]) for run in waiting],
        queue.cores,
    )
    with st.container(key="queue", gap="xxsmall"):
        for run in active:
            if run.run_id != own:
                about = forecast.in_words(left[run.run_id])
                _line(run, f"is training, about {about} left: watch it")
        for place, (run, seconds) in enumerate(zip(waiting, begins, strict=True), start=1):
            which = "next" if place == 1 else f"number {place}"
            text = f"is {which} in the queue and begins in about {forecast.in_words(seconds)}"
            if run.run_id == own:
                st.caption(f"This run {text}.")
            elif place <= MOST_WAITING:
                _line(run, text)
        if len(waiting) > MOST_WAITING:
            about = forecast.in_words(begins[-1])
            st.caption(f"{len(waiting)} runs wait in all; the last begins in about {about}.")


def _line(run: Run, text: str) -> None:
    links.to_train(run).show(f"{wording.plain(run.name)} {text}")


def _there(run_ids: Sequence[str]) -> list[Run]:
    """The runs with these ids, without those that have been deleted meanwhile."""
    found = []
    for run_id in run_ids:
        with contextlib.suppress(RunError):
            found.append(caches.store().get(run_id))
    return found


def seconds_left(run: Run, history: Sequence[Run]) -> float:
    """Of training: at the speed that the run has had or, at its beginning, as predicted."""
    done, n_steps = run.status.step, run.n_steps
    if done > n_steps / 20:  # the first steps, before the rest is compiled, are slow
        return run.status.seconds / done * (n_steps - done)
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    return forecast.seconds(run.config, steps, run.vocab_size, history)


def begin_in(active: Sequence[Demand], waiting: Sequence[Demand], cores: int) -> list[float]:
    """Seconds until each waiting run begins: in order, each when it has threads enough."""
    ends = [(seconds, threads) for threads, seconds in active]
    heapq.heapify(ends)
    now, begins = 0.0, []
    for threads, seconds in waiting:
        while ends and sum(taken for _, taken in ends) + threads > cores:
            now, _ = heapq.heappop(ends)
        begins.append(now)
        heapq.heappush(ends, (now + seconds, threads))
    return begins
