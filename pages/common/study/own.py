"""A sweep of the user's own: its cost before it starts, its progress, its results."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lm.base.flops import flops_text
from lm.base.settings import ConfigError
from lm.base.wording import counted
from lm.datasets import DatasetError
from lm.jobs.sweeps import Estimate, Sweep, conclusion, estimate, run_names
from lm.runs import Run, RunError, forecast
from lm.runs.config import RunConfig
from pages.common import background, caches, corpora, links, wording
from pages.common.background import Work
from pages.common.study import chart, form, sweeps

SECONDS_BETWEEN_UPDATES = 2.0
MOST_LINKED = 60  # runs that go along to the Compare page


def show() -> None:
    """The form on the left; cost, progress and chart on the right."""
    left, right = st.columns([4, 8], gap="large")
    try:
        with left:
            definition = form.definition()
        sweep = Sweep.from_dict(definition)
        configs = sweeps.expand(sweep)
    except (ConfigError, DatasetError, OSError) as error:
        right.error(wording.plain(str(error)))
        return
    with right:
        work = background.works().get(_key(configs))
        every = SECONDS_BETWEEN_UPDATES if work and work.running else None
        st.fragment(_sweep, run_every=every, key="sweep")(
            definition, sweep, configs, every is not None
        )


def _key(configs: Sequence[RunConfig]) -> str:
    """The name of the work on these runs."""
    return f"sweep-{hash(tuple(configs))}"


def _sweep(
    definition: Mapping[str, Any],
    sweep: Sweep,
    configs: Sequence[RunConfig],
    was_running: bool,
) -> None:
    """Its cost, its buttons and its results. They renew themselves while it trains."""
    try:
        planned = estimate(configs, caches.store(), weights=sweep.weights, load=corpora.load)
        work = background.works().get(_key(configs))
        names = run_names(sweep, configs)
        _cost(planned, names)
        _act(definition, sweep, names, configs, planned, work)
        if work and work.running:
            background.bar(work)
        elif was_running:
            st.rerun()  # with the results, and without the timer
        _results(sweep, sweeps.runs_of(configs), work)
    except RunError as error:
        st.error(wording.plain(str(error)))


def _cost(planned: Estimate, names: Mapping[RunConfig, str]) -> None:
    runs = ("Runs", wording.count(len(planned.runs)), "")
    if planned.n_left:
        basis = (
            "predicted from the runs that were trained on this machine."
            if planned.measured
            else "a rough guess: nothing has been trained on this machine yet."
        )
        seconds = forecast.in_words(planned.seconds_left)
        wording.metrics(
            runs,
            ("To train", wording.count(planned.n_left), ""),
            ("FLOPs to come", flops_text(planned.flops_left), sweeps.COUNTED),
            ("Time here, about", seconds, f"{planned.n_at_once} at a time, {basis}"),
            ("Disk", f"{wording.short(planned.bytes_left)}B", ""),
        )
    else:
        seconds = forecast.in_words(planned.seconds_spent)
        wording.metrics(
            runs,
            ("FLOPs spent", flops_text(planned.flops_spent), sweeps.COUNTED),
            ("Training time", seconds, "The sum over all runs, of training alone."),
        )
    with st.expander("All runs"):
        st.dataframe(
            [
                {
                    "Run": names[run.config],
                    "Parameters": run.n_params,
                    "Steps": run.n_steps,
                    "FLOPs": flops_text(run.flops),
                    "Time": forecast.in_words(run.seconds),
                    "State": run.state,
                }
                for run in planned.runs
            ],
            hide_index=True,
            key="planned-runs",
            column_config={
                name: st.column_config.NumberColumn(name, format="localized")
                for name in ("Parameters", "Steps")
            },
            alt=f"{len(planned.runs)} runs with their size, cost and state",
        )


def _act(
    definition: Mapping[str, Any],
    sweep: Sweep,
    names: Mapping[RunConfig, str],
    configs: Sequence[RunConfig],
    planned: Estimate,
    work: Work | None,
) -> None:
    """Buttons: start, resume or pause the sweep, and save it as a file."""
    begun = any(run.state != "new" for run in planned.runs)
    with st.container(horizontal=True, vertical_alignment="center", key="sweep-actions"):
        if work and work.running:
            background.pause_button(work)
        elif planned.n_left:
            runs = counted(planned.n_left, "run")
            label = f"Resume: {runs} left" if begun else f"Start {runs}"
            if st.button(label, type="primary", key="sweep-start"):
                sweeps.save(definition)
                quick = sorted(planned.runs, key=lambda run: run.seconds)  # the chart fills at once
                ordered = [run.config for run in quick]
                background.train(_key(configs), ordered, caches.store(), sweep.weights, names)
                st.rerun()
        st.download_button(
            "Save as file",
            data=sweeps.as_text(definition),
            file_name="sweep.json",
            mime="application/json",
            key="sweep-save",
            on_click="ignore",
            icon=":material/download:",
            help="The same sweep for the command line: `python -m lm sweep sweep.json`.",
        )
    background.problems(work)


def _results(sweep: Sweep, runs: Mapping[RunConfig, Run], work: Work | None) -> None:
    """What the sweep says once it is over, its chart so far, and where to go on from there."""
    names = [name for name in sweep.differing if name != "seed"]
    rows = sweeps.frame(runs, names)
    if rows.empty:
        st.caption("The chart fills as runs complete: a dot for each, their mean joined by a line.")
        return
    if not (work and work.running):
        for sentence in conclusion(sweep, runs.values()):
            st.markdown(wording.plain(sentence))
    chart.show(rows, names)
    with st.container(horizontal=True, key="sweep-onward"):
        st.download_button(
            "Export CSV",
            data=lambda: rows.to_csv(index=False),
            file_name="sweep.csv",
            mime="text/csv",
            key="sweep-csv",
            on_click="ignore",
            icon=":material/table_view:",
        )
        if st.button("Compare these runs", key="sweep-compare", icon=":material/table_chart:"):
            links.to_compare(itertools.islice(runs.values(), MOST_LINKED)).follow()
