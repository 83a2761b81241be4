"""How a text comes onto this machine: uploaded, or fetched from where it is published."""

from __future__ import annotations

import streamlit as st

from lm import datasets
from lm.datasets import Dataset, DatasetError, Download
from pages.common import corpora, wording


def upload() -> None:
    """Take a text of the user's own; if it cannot be read, a sentence says why."""
    file = st.file_uploader(
        "A text file, up to 100 MB; it stays on this machine",
        key="upload",
        max_upload_size=100,
    )
    if file is None:
        return
    try:
        path = datasets.save_text(file.name, file.getvalue())
    except (DatasetError, OSError) as error:
        st.error(wording.plain(str(error)))
        return
    if st.session_state.get("uploaded") != path.name:
        st.session_state["uploaded"] = st.session_state["text"] = path.name
    st.success(
        f"{wording.plain(corpora.text_title(path.name))} is here, split 80/10/10 by characters."
    )


def fetch(info: Dataset, source: Download | None) -> None:
    """Offer to download a corpus, and ask for consent where its terms need it."""
    st.info(f"{info.title} is not on this machine yet.")
    if source is None:
        st.caption(f"Put its files in {wording.plain(str(datasets.datasets_dir() / info.name))}.")
        return
    consent = True
    if source.consent:
        st.markdown(f"{wording.plain(source.consent)}.")
        consent = st.checkbox("I may use it under these terms.", key=f"consent-{info.name}")
    if not st.button(
        f"Download {info.title} ({source.n_bytes / 1e6:.1f} MB)",
        key="download",
        type="primary",
        disabled=not consent,
        help=None if consent else "Agree to the terms first.",
    ):
        st.caption(
            f"It comes from {source.files[0].url.split('/')[2]} and is checked against a known "
            f"sha256. Or put the file in {wording.plain(str(datasets.datasets_dir() / info.name))}."
        )
        return
    bar = st.progress(0.0, text="Connecting …")
    st.button("Cancel", key="cancel")  # any click ends this run of the page, and the download

    def progress(done: int, total: int) -> None:
        bar.progress(min(1.0, done / total), text=f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    try:
        datasets.download(info.name, consent=consent, progress=progress)
    except (DatasetError, OSError) as error:
        bar.empty()
        st.error(wording.plain(str(error)))
        return
    st.rerun()
