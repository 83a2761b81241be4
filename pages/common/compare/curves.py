"""Training curves of the checked runs."""

from __future__ import annotations

import streamlit as st

from lm import charts
from lm.runs import Run
from pages.common import corpora, runs_table, wording
from pages.common.components.chart import place
from pages.common.runs_table import Group


def show(group: Group, checked: list[Run], looks: dict[str, charts.Look]) -> None:
    """The chart of training curves, with controls for its axes and its smoothing."""
    losses = {"sampled_val_loss": "Sampled validation loss", "train_loss": "Training loss"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        loss = st.segmented_control(
            "Loss",
            list(losses),
            default="sampled_val_loss",
            required=True,
            key="curve_loss",
            format_func=lambda name: losses[name],
            persist_state="session",
        )
        x = st.segmented_control(
            "Against",
            list(charts.COMPARED),
            default="flops",
            required=True,
            key="curve_x",
            format_func=wording.axis,
            persist_state="session",
        )
        smoothing = st.select_slider(
            "Smoothing",
            [0.0, 0.02, 0.05, 0.1, 0.2],
            format_func=lambda share: "none" if not share else f"{share:.0%} of the run",
            key="smoothing",
            persist_state="session",
            width=220,
            help="The mean over this share of a run. The raw line stays, faint.",
        )
        log_x = st.toggle("Log x", value=True, key="curve_log", persist_state="session")
    frames = runs_table.curves(group, checked)
    frames = {run_id: frame for run_id, frame in frames.items() if len(frame[loss].dropna()) > 1}
    if not frames:
        st.caption("None of the checked runs has a curve yet.")
        return
    looks = {run_id: looks[run_id] for run_id in frames}
    title = f"{losses[loss]} ({group.unit})"
    with st.container(key="curves-chart"):
        place(
            charts.training_curves(
                frames,
                looks,
                x=x,
                y=loss,
                y_title=title,
                log_x=log_x,
                smoothing=smoothing,
                references={} if group.in_bits else _references(group),
            ),
            key="curves",
            alt=charts.describe_curves(frames, looks, y=loss, y_title=title),
        )


def _references(group: Group) -> dict[str, float]:
    try:
        return corpora.references(group.runs[0].config.data)
    except ValueError:
        return {}  # the text is not here; the runs are
