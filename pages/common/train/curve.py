"""The loss curve of a run, on axes that are fixed before the first point."""

import math

import pandas as pd
import streamlit as st

from lm import charts
from lm.architectures import ARCHITECTURES
from lm.base.wording import listed
from lm.runs import Run, RunError, forecast
from lm.runs.plan import Plan, plan
from pages.common import caches, corpora, drafts, runs_table, wording
from pages.common.choosing import switch
from pages.common.components.chart import draw
from pages.common.train import guess as guesses


def show(run: Run, metrics: pd.DataFrame, *, scoring: bool) -> None:
    """How far the run is, and its curve."""
    if run.state != "complete":
        text = f"Step {run.status.step:,} of {run.n_steps:,}"
        if scoring:
            text += " · scoring every token of validation and test"
        st.progress(min(1.0, run.status.step / run.n_steps), text=text)
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    parent = run_before(run)
    try:
        references = corpora.references(run.config.data)
    except ValueError:  # its text is gone
        references = {"uniform": math.log(run.vocab_size)}
    loss_chart(
        metrics,
        steps,
        seconds=_seconds_axis(run, metrics, steps),
        references=references,
        architecture=run.config.model.architecture,
        guess=guesses.of(run),
        before=None if parent is None else runs_table.metrics(parent),
    )
    if parent is not None:
        changed = listed(drafts.differences(parent.config, run.config), most=2)
        how = f"with {wording.plain(changed)}" if changed else "as it was"
        st.caption(f"Grey: the run before, which was restarted {how}.")


def loss_chart(
    metrics: pd.DataFrame,
    steps: Plan,
    *,
    seconds: float,
    references: dict[str, float],
    architecture: str,
    guess: float | None,
    before: pd.DataFrame | None = None,
) -> None:
    """Draw a loss curve, with a choice of its x-axis. Both axes follow from the plan.

    `metrics` have the columns of `StepRecord`, as have those of the run `before`, which this one
    replaced. `seconds`: the end of the axis of time. `references`: name -> loss of guessing.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="axis"):
        x = switch(
            "Loss against",
            charts.X_TITLES,
            key="x_axis",
            format_func=wording.axis,
            label_visibility="collapsed",
        )
        log_x = st.toggle("Log x", key="log_x", persist_state="session")
    ends = {
        "step": steps.n_steps,
        "tokens": steps.tokens,
        "flops": steps.flops.total,
        "seconds": seconds,
    }
    marked = {} if guess is None else {"your guess": guess}
    levels = {**references, **marked}
    lowest = float(metrics[["train_loss", "sampled_val_loss"]].min().min())
    chart = charts.loss_chart(
        metrics,
        x=x,
        x_end=float(ends[x]),
        y_domain=charts.loss_axis(levels, None if math.isnan(lowest) else lowest),
        references=references,
        color=ARCHITECTURES[architecture].look.color,
        log_x=log_x,
        before=before,
        marked=marked,
    )
    with st.container(key="loss-chart", gap="xxsmall"):
        draw(chart, key="loss", alt=charts.describe_loss(metrics, levels, before))
        least = ", and the least possible" if "entropy" in references else ""
        st.caption(
            "Faint: training loss. Bold: loss on a fixed sample of the validation split. Dashed: "
            f"what guessing costs{least}."
        )


def _seconds_axis(run: Run, metrics: pd.DataFrame, steps: Plan) -> float:
    """The end of the axis of time, in seconds: the forecast, doubled while the run takes longer."""
    if run.state == "complete" and len(metrics):
        return float(metrics["seconds"].iloc[-1])
    key = f"seconds-{run.run_id}"
    if key not in st.session_state:
        others = [other for other in caches.store().list() if other.run_id != run.run_id]
        st.session_state[key] = forecast.seconds(run.config, steps, run.vocab_size, others)
    while st.session_state[key] < run.status.seconds:
        st.session_state[key] *= 2
    return st.session_state[key]


def run_before(run: Run) -> Run | None:
    """The run that this one replaced, if it is here and their losses compare."""
    if run.parent_run_id is None:
        return None
    try:
        parent = caches.store().get(run.parent_run_id)
    except RunError:
        return None
    return parent if parent.comparable_key == run.comparable_key else None
