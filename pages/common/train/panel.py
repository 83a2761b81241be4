"""One run as it trains: its curve, its samples, its figures, and the buttons that steer it."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from lm.datasets import DatasetError
from lm.jobs.queue import grace, patience
from lm.runs import Run, RunError
from pages.common import caches, forms, links, wording
from pages.common.phases import BADGES, BUSY, busy, phase
from pages.common.train import curve, figures, form, guess, layout, samples, verdict

SECONDS_BETWEEN_UPDATES = 0.7
MOST_SECONDS_TO_WAIT = 0.5  # for the first points of a curve, and for the scores of a short run
SHORT_RUN_SECONDS = 20
POINTS_OF_A_LINE = 2
SECONDS_WORTH_A_LINE = 10.0  # without a sign of progress
SECONDS_TO_LEAVE = 2.0  # in which a process that was asked to pause or stop mostly has

T = TypeVar("T")


def show(run: Run, runs: Sequence[Run]) -> None:
    """The panel of a run, with a choice among `runs`.

    It renews itself while the run trains, and reruns the page when that ends.
    """
    every = SECONDS_BETWEEN_UPDATES if busy(run) else None
    st.fragment(_panel, run_every=every, key="panel")(run.run_id, runs, every is not None)


def _panel(run_id: str, runs: Sequence[Run], was_busy: bool) -> None:
    if st.session_state.pop("run_chosen", run_id) != run_id:
        st.rerun()  # the page knows the new one
    try:
        run = caches.store().get(run_id)
        if run.status.seconds < SHORT_RUN_SECONDS and phase(run) == "evaluating":
            run = _soon(run.reload, lambda run: phase(run) != "evaluating")
    except RunError as error:
        st.error(wording.plain(str(error)))
        return
    now = phase(run)
    if was_busy != (now in BUSY):
        st.rerun()  # the timer is the page's to start and to end
    left, right = layout.run()
    with left:
        _heading(run, now, runs)
        moving = now in ("starting", "running")
        metrics = _soon(run.metrics, lambda rows: not moving or len(rows) >= POINTS_OF_A_LINE)
        curve.show(run, metrics, scoring=now == "evaluating")
    with right:
        verdict.show(run)
        guess.judge(run)
        figures.show(run, metrics, now in BUSY)
        samples.show(run)
        figures.facts(run)
        if now in BUSY or not run.weights_path.exists():
            return
        with st.container(horizontal=True, gap="small", key="onward"):
            if st.button("Write with it", key="to-generate", icon=":material/edit:"):
                links.to_generate(run).follow()
            if st.button("Compare with others", key="to-compare", icon=":material/table_chart:"):
                links.to_compare([run]).follow()


def _soon(read: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """What is read now or, if that is not enough yet, in the next moment."""
    until = time.monotonic() + MOST_SECONDS_TO_WAIT
    while not enough(found := read()) and time.monotonic() < until:
        time.sleep(0.03)
    return found


def _heading(run: Run, now: str, runs: Sequence[Run]) -> None:
    color, text = BADGES[now]
    names, by_id = wording.names(runs), {each.run_id: each for each in runs}

    def choose(run_id: str) -> None:
        st.session_state["run_chosen"] = run_id
        form.follow(by_id[run_id])

    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="run-heading"):
        st.selectbox(
            "Run",
            list(names),
            format_func=lambda run_id: names[run_id],
            label_visibility="collapsed",
            **forms.bound("show_run", run.run_id, choose, options=list(names)),
        )
        st.badge(text, color=color)
        for label, key, icon, act in _actions(run, now):
            icon = f":material/{icon}:"
            st.button(label, key=key, icon=icon, on_click=_attempt, args=(act, run))
    if (message := st.session_state.pop("panel_problem", None)) is not None:
        st.error(wording.plain(message))
    _silence(run, now)
    problem = run.reason or caches.jobs().error(run)
    if problem and now not in BUSY and now != "complete":
        st.warning(wording.plain(problem))


def _actions(run: Run, now: str) -> list[tuple[str, str, str, Callable[[Run], None]]]:
    """Label, key, icon and function of what can be done now: no button is there in vain."""
    queue = caches.jobs()
    if now in BUSY:
        return [("Pause", "pause", "pause", queue.pause), ("Stop", "stop", "stop", queue.stop)]
    if not run.resumable:
        return []
    start = "Start this run" if run.state == "created" else "Resume"
    actions = [(start, "resume", "play_arrow", queue.resume)]
    if run.status.step < run.n_steps:
        actions.append(("Step", "step", "skip_next", queue.step))
    return actions


def _attempt(act: Callable[[Run], None], run: Run) -> None:
    try:
        act(run)
    except (RunError, DatasetError, OSError) as error:
        st.session_state["panel_problem"] = str(error)


def _silence(run: Run, now: str) -> None:
    """A line on a run whose process has given no sign of progress for a while."""
    jobs = caches.jobs()
    if now == "starting" and jobs.note:
        st.caption(wording.plain(jobs.note))
    if run.state != "running":
        return
    saved = run.status.checkpoint_step
    then = f"The run can go on from step {saved:,}." if saved else "The run then begins anew."
    if (leaving := jobs.leaving(run)) and run.seconds_silent > SECONDS_TO_LEAVE:
        st.caption(
            f"Its process was asked to {leaving} and has {grace(run):.0f} s to do so; then it is "
            f"ended. {then}"
        )
    elif run.seconds_silent > SECONDS_WORTH_A_LINE:
        ended = f" After {patience(run):.0f} s its process is ended. {then}"
        st.caption(
            f"No progress for {run.seconds_silent:.0f} s."
            + (ended if run.run_id in jobs.active() else "")
        )
