"""Runs that begin or end elsewhere: in another tab, another browser, or on the command line."""

from __future__ import annotations

import streamlit as st

from pages.common import caches, ladders

SECONDS_BETWEEN_LOOKS = 3.0


def watch() -> None:
    """Run the page again, with all that is set, once there are other runs or states on disk."""
    stamp = ladders.stamp(caches.store())
    st.fragment(_look, run_every=SECONDS_BETWEEN_LOOKS, key="news")(_states(), stamp)


def _look(seen: dict[str, str], stamp: tuple[int, int]) -> None:
    # a run that trains changes the stamp with each step, and its state only in the end
    if ladders.stamp(caches.store()) != stamp and _states() != seen:
        st.rerun()


def _states() -> dict[str, str]:
    return {run.run_id: run.state for run in caches.store().list()}
