"""The loss curve of a run, on axes that are fixed before the first point."""

import math

import pandas as pd
import streamlit as st

from lm import charts
from lm.architectures import ARCHITECTURES
from lm.base.wording import listed
from lm.datasets import DatasetError
from lm.runs import Run, RunError, forecast
from lm.runs.plan import Plan, plan
from pages.common import caches, corpora, drafts, runs_table, wording
from pages.common.components.chart import draw
from pages.common.train import guess as guesses_made


def axis_controls() -> tuple[str, bool]:
    """What the x-axis of a loss curve shows, and whether it is logarithmic."""
    with st.container(horizontal=True, vertical_alignment="center", key="axis"):
        x = st.segmented_control(
            "Loss against",
            list(charts.X_TITLES),
            default="step",
            required=True,
            format_func=wording.axis,
            key="x_axis",
            label_visibility="collapsed",
            persist_state="session",
        )
        log_x = st.toggle("Log x", key="log_x", persist_state="session")
    return x or "step", log_x


def show(run: Run, metrics: pd.DataFrame, *, scoring: bool) -> None:
    """How far the run is, and its curve."""
    if run.state != "complete":
        done = run.status.step / run.n_steps
        text = f"Step {run.status.step:,} of {run.n_steps:,}"
        if scoring:
            text += " · scoring every token of validation and test"
        st.progress(min(1.0, done), text=text)
    x, log_x = axis_controls()
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    parent = run_before(run)
    before = None if parent is None else runs_table.metrics(parent)
    lowest = metrics[["train_loss", "sampled_val_loss"]].min().min()
    loss_chart(
        metrics,
        x=x,
        log_x=log_x,
        steps=steps,
        seconds=_seconds_axis(run, metrics, steps),
        references=_references(run),
        architecture=run.config.model.architecture,
        lowest=None if math.isnan(lowest) else float(lowest),
        before=before,
        guess=guesses_made.of(run),
    )
    if parent is not None:
        changed = listed(drafts.differences(parent.config, run.config), most=2)
        st.caption(
            "Grey: the run before, which was restarted"
            + (f" with {wording.plain(changed)}." if changed else " as it was.")
        )


def loss_chart(
    metrics: pd.DataFrame,
    *,
    x: str,
    log_x: bool,
    steps: Plan,
    seconds: float,
    references: dict[str, float],
    architecture: str,
    lowest: float | None = None,
    before: pd.DataFrame | None = None,
    guess: float | None = None,
) -> None:
    """Draw a loss curve whose axes follow from the plan, before the first point.

    Args:
        metrics: Columns of `StepRecord`; may be empty.
        x: A key of `charts.X_TITLES`.
        log_x: Draw x on a logarithmic axis.
        steps: The plan, which says where the axis ends.
        seconds: Where the axis of time ends.
        references: Name -> loss of guessing, nats per token.
        architecture: Decides the colour.
        lowest: The lowest loss so far, to make room for.
        before: Metrics of the run that this one took the place of.
        guess: Where somebody says that the loss will end.
    """
    ends = {
        "step": steps.n_steps,
        "tokens": steps.tokens,
        "flops": steps.flops.total,
        "seconds": seconds,
    }
    guesses = {} if guess is None else {"your guess": guess}
    chart = charts.loss_chart(
        metrics,
        x=x,
        x_end=float(ends[x]),
        y_domain=charts.loss_axis({**references, **guesses}, lowest),
        references=references,
        color=ARCHITECTURES[architecture].look.color,
        log_x=log_x,
        before=before,
        marked=guesses,
    )
    with st.container(key="loss-chart", gap="xxsmall"):
        draw(
            chart, key="loss", alt=charts.describe_loss(metrics, {**references, **guesses}, before)
        )
        st.caption(
            "Faint: training loss. Bold: loss on a fixed sample of the validation split. Dashed: "
            "what guessing costs"
            + (", and the least possible." if "entropy" in references else ".")
        )


def _seconds_axis(run: Run, metrics: pd.DataFrame, steps: Plan) -> float:
    """Where the axis of time ends, in seconds: the forecast, doubled when the run takes longer."""
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
    """The run that this one took the place of, if it is here and their losses compare."""
    if run.parent_run_id is None:
        return None
    try:
        parent = caches.store().get(run.parent_run_id)
    except RunError:
        return None
    return parent if parent.comparable_key == run.comparable_key else None


def _references(run: Run) -> dict[str, float]:
    """The losses of guessing on this corpus; where its text is gone, ln V alone."""
    try:
        return corpora.references(run.config.data)
    except (DatasetError, ValueError):
        return {"uniform": math.log(run.vocab_size)}
