"""The table of runs; it renews itself while one of them trains."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lm.architectures import DEFAULT
from lm.base.wording import counted
from lm.runs import Run, RunError
from pages.common import phases, runs_table, theme, wording
from pages.common.compare.choice import checked_ids
from pages.common.runs_table import Group

SECONDS_BETWEEN_UPDATES = 2.0


def show(group: Group, distance_of: Callable[[Run], str]) -> None:
    """The table of the group's runs; checking a row puts the run into the charts.

    Checked rows are always there: first, or after those that match a filter. `distance_of` says how
    far a run is from the frontier.
    """
    wanted = st.text_input(
        "Filter",
        key="filter",
        placeholder=f"name, setting or state, for example: {wording.architecture(DEFAULT)} 1e12",
        type="search",
        live=True,
        persist_state="session",
    )
    labels = runs_table.labels(group.runs)
    matching = runs_table.matching(group.runs, wanted or "", labels)
    if not matching:
        st.caption("No run matches. Below are the checked ones.")
    shown = _in_order(group, [run.run_id for run in matching], wanted or "")
    if not shown:
        return
    moving = any(phases.busy(run) for run in group.runs if run.run_id in set(shown))
    rows = _rows
    if moving:
        rows = st.fragment(_rows, run_every=SECONDS_BETWEEN_UPDATES, key="rows")
    rows(group, shown, moving, distance_of)


def _in_order(group: Group, matching: list[str], wanted: str) -> list[str]:
    """The ids of the rows, which keep their places while rows are checked.

    They are put in order anew when the filter or the runs change, or a link checks other rows.
    """
    asked = (group.key, wanted, tuple(matching))
    if st.session_state.get("rows_asked") != asked:
        first, checked = set(matching), set(checked_ids()[group.key])
        every = [run.run_id for run in group.runs if run.run_id in first | checked]
        every.sort(key=lambda run_id: (run_id not in first, run_id not in checked))
        st.session_state.update(rows_asked=asked, rows_shown=every)
    return st.session_state["rows_shown"]


def _rows(
    group: Group, run_ids: list[str], moving: bool, distance_of: Callable[[Run], str]
) -> None:
    by_id = {run.run_id: run for run in group.runs}
    runs = [by_id[run_id] for run_id in run_ids]
    if moving:
        try:
            runs = [run.reload() if phases.busy(run) else run for run in runs]
        except RunError:
            st.rerun()
        if not any(phases.busy(run) for run in runs):
            st.rerun()  # with the results, and without the timer
    checked = set(checked_ids()[group.key])
    rows = [i for i, run_id in enumerate(run_ids) if run_id in checked]
    # another set of rows is another table: a check belongs to a run, not to a place
    key = f"table-{abs(hash((group.key, *run_ids)))}"

    def check() -> None:  # a callback comes before the page runs; in a fragment the page would not
        _check(group.key, run_ids, key)

    with st.container(key="runs-table"):
        frame = runs_table.table(group, runs, distance_of if group.ladder else None)
        st.dataframe(
            frame,
            column_config=runs_table.columns(group, frame),
            hide_index=True,
            key=key,
            on_select="rerun" if moving else check,
            selection_mode="multi-row",
            selection_default={"selection": {"rows": rows}},
            placeholder="–",
            row_height=theme.row_height(),
            height="auto" if len(runs) > 10 else "content",
            alt=f"{counted(len(runs), 'run')}: settings and results",
        )
    if _check(group.key, run_ids, key):
        st.rerun()


def _check(group: str, run_ids: list[str], key: str) -> bool:
    """Take over which rows of the table are checked; returns whether that is news.

    Runs of ladders that are no rows at the moment stay as they are.
    """
    rows = st.session_state[key].selection.rows
    before = checked_ids()[group]
    hidden = [run_id for run_id in before if run_id not in run_ids]
    after = [*hidden, *(run_ids[i] for i in sorted(rows) if i < len(run_ids))]
    if set(after) == set(before):
        return False
    checked_ids()[group] = after
    return True
