"""Compare: the runs in a table; the checked ones in charts."""

import streamlit as st

from lm import charts
from lm.runs import Run
from pages.common import caches, first_run, ladders, runs_table, shell, wording
from pages.common.compare import actions, answer, choice, curves, news, relate, table
from pages.common.runs_table import Group


def load() -> dict[str, Group]:
    """The runs that may share an axis, and the ladders of their texts."""
    scan = caches.store().scan()
    for sentence in scan.broken.values():
        st.warning(wording.plain(sentence))
    return runs_table.groups(scan.runs, ladders.runs())


# --- show ---------------------------------------------------------------------------------------


def show(
    group: Group, checked: list[Run], looks: dict[str, charts.Look], colours: dict[str, str]
) -> None:
    """Any quantity or setting against any result; training curves."""
    st.header("Anything against any result", anchor=False)
    relate.show(group, checked, looks, colours)
    st.header("Training curves", anchor=False)
    curves.show(group, checked, looks, colours)


shell.page(
    "Compare",
    "What does each training FLOP buy, and how far from the best are your runs?",
)
if done := st.session_state.pop("done", None):
    st.toast(wording.plain(done))
news.watch()
groups = load()
if not groups:
    first_run.offer("There is no run to compare yet.")
else:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="question"):
        group = choice.choose_group(groups)
        recipe = answer.choose_recipe(group)
    answer.show(group, recipe)
    st.header("Runs", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="rows-of"):
        group = choice.with_ladder(group, recipe)
        checked = choice.checked_runs(group) if group.runs else []
        looks, colours = choice.colouring(group, checked) if group.runs else ({}, {})
    if group.runs:
        table.show(group, answer.distances(group))
        actions.act(group, checked)
        if checked:
            show(group, checked, looks, colours)
        else:
            st.info("Check rows of the table to see them in charts.")
    else:
        first_run.offer("You have trained nothing on this text yet.")
