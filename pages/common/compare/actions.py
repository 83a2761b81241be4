"""What may be done with runs: export, share, rename, delete, import."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import streamlit as st

from lm.runs import Run, RunError, archive
from lm.runs.archive import ArchiveError
from pages.common import caches, links, runs_table, wording
from pages.common.choosing import keep_among
from pages.common.runs_table import Group

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def act(group: Group, checked: list[Run]) -> None:
    """Buttons: export the table, share the page, manage one run, import one."""
    with st.container(horizontal=True, key="actions"):
        st.download_button(
            "Export CSV",
            data=lambda: runs_table.results(group.runs).to_csv(index=False),
            file_name=f"{group.key}.csv",
            mime="text/csv",
            key="export-csv",
            on_click="ignore",
            icon=":material/download:",
        )
        with st.popover("Copy link", icon=":material/link:"):
            st.caption("This address opens the page with the same rows checked.")
            here = (st.context.url or "").split("?")[0]
            st.code(links.to_compare(checked).text(here), language=None, wrap_lines=True)
            if urlsplit(here).hostname in THIS_MACHINE:
                st.caption(
                    "It works on this machine alone. For others, open the page by this machine's "
                    "name or address in the network, and copy the link there."
                )
        with st.popover("One run …", icon=":material/edit:", key="one-run"):
            _one_run(group)
        with st.popover("Import a run", icon=":material/upload:", key="import"):
            _import_run()


def _one_run(group: Group) -> None:
    by_id = {run.run_id: run for run in reversed(group.runs)}
    keep_among("managed", by_id, otherwise=next(iter(by_id)))
    run_id = st.selectbox(
        "Run", list(by_id), key="managed", format_func=wording.names(group.runs).__getitem__
    )
    run = by_id[run_id]
    with st.container(horizontal=True):
        if st.button("Show its training", key="watch"):
            links.to_train(run).follow()
        if run.weights_path.exists() and st.button("Write with it", key="write"):
            links.to_generate(run).follow()
        st.download_button(
            "Export",
            data=lambda: archive.pack(run),
            file_name=f"{run.run_id}.zip",
            mime="application/zip",
            key="export-run",
            on_click="ignore",
            help="The run's folder as a zip, to be imported elsewhere.",
        )
    if run.shipped:
        st.caption("It came with the program: it keeps its name and is not deleted.")
        return
    with st.form("rename", border=False):
        name = st.text_input("Name", run.name, key=f"name-{run.run_id}", max_chars=80)
        if st.form_submit_button("Rename"):
            _attempt(lambda: caches.store().rename(run, name), f"Renamed to {name.strip()}.")
    _delete(run)


def _delete(run: Run) -> None:
    """Delete a run, after asking once more."""
    if st.session_state.get("deleting") != run.run_id:
        asked = {"deleting": run.run_id}
        st.button("Delete …", key="delete", on_click=st.session_state.update, args=(asked,))
        return
    st.markdown(
        "Delete it with its curve, its samples and its checkpoint? There is no way back; export "
        "it first to keep a copy."
    )
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm-delete"):
            _attempt(lambda: caches.store().delete(run), f"Deleted {run.name}.")
        st.button("Keep it", key="keep", on_click=st.session_state.pop, args=("deleting", None))


def _import_run() -> None:
    """A run from a zip, checked before it lands."""
    with st.form("import-form", border=False, clear_on_submit=True):
        file = st.file_uploader("A run exported as zip", type="zip", key="import-file")
        if st.form_submit_button("Import"):
            if file is None:
                st.error("Choose a file first.")
                return
            _attempt(lambda: archive.unpack(file.getvalue(), caches.store()), "Imported the run.")


def _attempt(action: Callable[[], object], done: str) -> None:
    """Act, and show an error as a sentence, or `done` as a note after a rerun."""
    try:
        action()
    except (RunError, ArchiveError, OSError) as error:
        st.error(wording.plain(str(error)))
        return
    st.session_state["done"] = done
    st.rerun()
