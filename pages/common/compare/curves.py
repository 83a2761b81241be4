"""Training curves of the checked runs."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from lm import charts
from lm.base.glossary import meaning
from lm.runs import Run
from pages.common import corpora, runs_table, wording
from pages.common.compare import choice
from pages.common.components.chart import place
from pages.common.runs_table import Group

MOST_ALONE = 8  # curves; of more, those that differ by their seed alone are drawn alike


def show(
    group: Group,
    checked: list[Run],
    looks: Mapping[str, charts.Look],
    colours: Mapping[str, str],
) -> None:
    """The chart of training curves, with controls for its axes and its smoothing.

    `colours`: run id -> what its colour stands for.
    """
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
            [0, 10, 30, 100, 300, 1000],
            format_func=lambda steps: f"{steps:,} steps" if steps else "none",
            key="smoothing",
            persist_state="session",
            width=220,
            help=f"{meaning('smoothing')} The raw line stays, faint.",
        )
        log_x = st.toggle("Log x", value=True, key="curve_log", persist_state="session")
    frames = runs_table.curves(group, checked)
    frames = {run_id: frame for run_id, frame in frames.items() if frame[loss].notna().any()}
    if not frames:
        st.caption("None of the checked runs has a curve yet.")
        return
    drawn = [run for run in checked if run.run_id in frames]
    few = len(drawn) <= MOST_ALONE
    alike = {run.run_id: run.run_id if few else runs_table.without_seed(run) for run in drawn}
    shown = choice.named(drawn, alike, looks, colours, without=() if few else runs_table.SEEDS)
    title = f"{losses[loss]} ({group.unit})"
    try:
        references = {} if group.in_bits else corpora.references(group.runs[0].config.data)
    except ValueError:
        references = {}  # the text is not here; the runs are
    with st.container(key="curves-chart", gap="xxsmall"):
        place(
            charts.training_curves(
                frames,
                shown,
                x=x,
                y=loss,
                y_title=title,
                log_x=log_x,
                smoothing=smoothing,
                references=references,
            ),
            key="curves",
            alt=charts.describe_curves(frames, shown, y=loss, y_title=title),
        )
        n_kinds = len(set(alike.values()))
        if n_kinds > choice.MOST_NAMED:
            st.caption(
                "Curves are named by their colour. Check fewer runs to see each by its name."
            )
        elif n_kinds < len(drawn):
            st.caption("Runs that differ by their seed alone are drawn alike.")
