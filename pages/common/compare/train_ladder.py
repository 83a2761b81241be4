"""The offer to train a small ladder on a text that has none."""

from __future__ import annotations

import streamlit as st

from lm.base.flops import flops_text
from lm.datasets import DatasetError
from lm.jobs.ladder import ladder_store, small_ladder
from lm.jobs.sweeps import estimate
from lm.runs import forecast
from pages.common import background, caches, corpora, wording
from pages.common.runs_table import Group
from pages.common.study import sweeps

SECONDS_BETWEEN_UPDATES = 2.0


def offer(group: Group) -> None:
    """A sentence, a button with its price and, once it was pressed, how far the ladder is."""
    work = background.works().get(_key(group))
    every = SECONDS_BETWEEN_UPDATES if work and work.running else None
    st.fragment(_offer, run_every=every, key="ladder")(group, every is not None)


def _offer(group: Group, was_running: bool) -> None:
    work = background.works().get(_key(group))
    if work and work.running:
        st.markdown("A small ladder is being trained on this text.")
        background.bar(work)
        background.pause_button(work)
        return
    if was_running:
        st.rerun()  # the whole page, with what the ladder says
    background.problems(work)
    data = group.runs[0].config.data
    try:
        configs = sweeps.expand(small_ladder(data))
        planned = estimate(configs, ladder_store(caches.store()), load=corpora.load)
    except (DatasetError, ValueError) as error:
        st.caption(f"No ladder can be trained here: {wording.plain(str(error))}")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="ladder-offer"):
        st.markdown(
            "No ladder has been trained on this text yet: what the default recipes reach at rising "
            "budgets, to hold your runs against."
        )
        label = (
            f"Train a small ladder ({flops_text(planned.flops_left, 2)} FLOPs, about "
            f"{forecast.in_words(planned.seconds_left)})"
        )
        if st.button(label, type="primary", key="train-ladder"):
            background.train(_key(group), configs, ladder_store(caches.store()), "none")
            st.rerun()


def _key(group: Group) -> str:
    return f"ladder-{group.key}"
