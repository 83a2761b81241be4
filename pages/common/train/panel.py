"""One run as it trains: its curve, its samples, its figures, and the buttons that steer it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lm.datasets import DatasetError
from lm.runs import Run, RunError
from pages.common import caches, forms, links, wording
from pages.common.phases import BADGES, BUSY, busy, phase
from pages.common.train import curve, figures, guess, layout, samples, silence, verdict

SECONDS_BETWEEN_UPDATES = 0.7
# to wait for what is about to come: the first points, so that the curve is there when it appears,
# and the scores of a short run
MOST_SECONDS_TO_WAIT = 0.5
SHORT_RUN_SECONDS = 20
POINTS_OF_A_LINE = 2


def show(
    run: Run,
    runs: Sequence[Run],
    choose: Callable[[Run], None],
    set_dials: Callable[[Mapping[str, Any]], None],
) -> None:
    """The panel. It renews itself while the run trains, and reruns the page when that ends.

    Args:
        run: What is shown.
        runs: The runs to choose from.
        choose: Called with another run.
        set_dials: Called with what to change in the form, name -> value, to try something next.
    """
    every = SECONDS_BETWEEN_UPDATES if busy(run) else None
    panel = st.fragment(_panel, run_every=every, key="panel")
    panel(run.run_id, every is not None, runs, choose, set_dials)


def _panel(
    run_id: str,
    was_busy: bool,
    runs: Sequence[Run],
    choose: Callable[[Run], None],
    set_dials: Callable[[Mapping[str, Any]], None],
) -> None:
    if st.session_state.pop("run_chosen", run_id) != run_id:
        st.rerun()  # the page knows the new one
    try:
        run = _scored_soon(caches.store().get(run_id))
    except RunError as error:
        st.error(wording.plain(str(error)))
        return
    now = phase(run)
    if was_busy != (now in BUSY):
        st.rerun()  # the timer is the page's to start and to end
    left, right = layout.run()
    with left:
        _heading(run, now, runs, choose)
        metrics = _first_metrics(run) if now in ("starting", "running") else run.metrics()
        curve.show(run, metrics, scoring=now == "evaluating")
    with right:
        verdict.show(run, set_dials)
        guess.judge(run)
        figures.show(run, metrics, now in BUSY)
        samples.show(run)
        figures.facts(run)
        _onward(run, now)


def _scored_soon(run: Run) -> Run:
    """The run; if its scores are to come in the next moment, with these."""
    until = time.monotonic() + MOST_SECONDS_TO_WAIT
    short = run.status.seconds < SHORT_RUN_SECONDS
    while short and phase(run) == "evaluating" and time.monotonic() < until:
        time.sleep(0.03)
        run = run.reload()
    return run


def _first_metrics(run: Run) -> pd.DataFrame:
    """The run's metrics; before there are any, those of the next moments, if they come."""
    until = time.monotonic() + MOST_SECONDS_TO_WAIT
    while len(metrics := run.metrics()) < POINTS_OF_A_LINE and time.monotonic() < until:
        time.sleep(0.03)
    return metrics


def _heading(run: Run, now: str, runs: Sequence[Run], choose: Callable[[Run], None]) -> None:
    color, text = BADGES[now]
    names, by_id = wording.names(runs), {each.run_id: each for each in runs}

    def choose_another(run_id: str) -> None:
        st.session_state["run_chosen"] = run_id
        choose(by_id[run_id])

    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="run-heading"):
        st.selectbox(
            "Run",
            list(names),
            format_func=lambda run_id: names[run_id],
            label_visibility="collapsed",
            **forms.bound("show_run", run.run_id, choose_another, options=list(names)),
        )
        st.badge(text, color=color)
        _buttons(run, now)
    if (message := st.session_state.pop("panel_problem", None)) is not None:
        st.error(wording.plain(message))
    silence.show(run, now)
    problem = run.reason or caches.jobs().error(run)
    if problem and now not in BUSY and now != "complete":
        st.warning(wording.plain(problem))


def _buttons(run: Run, now: str) -> None:
    """Only what can be done now: no button is there that does nothing."""
    queue = caches.jobs()
    if now in BUSY:
        _button("Pause", "pause", queue.pause, run, ":material/pause:")
        _button("Stop", "stop", queue.stop, run, ":material/stop:")
    if run.resumable and now not in BUSY:
        start = "Start this run" if run.state == "created" else "Resume"
        _button(start, "resume", queue.resume, run, ":material/play_arrow:")
        if run.status.step < run.n_steps:
            _button("Step", "step", queue.step, run, ":material/skip_next:")


def _onward(run: Run, now: str) -> None:
    """Links to the pages that do something with a trained run."""
    if now in BUSY or not run.weights_path.exists():
        return
    with st.container(horizontal=True, gap="small", key="onward"):
        if st.button("Write with it", key="to-generate", icon=":material/edit:"):
            links.to_generate(run).follow()
        if st.button("Compare with others", key="to-compare", icon=":material/table_chart:"):
            links.to_compare([run]).follow()


def _button(label: str, key: str, act: Callable[[Run], None], run: Run, icon: str) -> None:
    st.button(
        label,
        key=key,
        icon=icon,
        on_click=_attempt,
        args=(act, run),
    )


def _attempt(act: Callable[[Run], None], run: Run) -> None:
    try:
        act(run)
    except (RunError, DatasetError, OSError) as error:
        st.session_state["panel_problem"] = str(error)
