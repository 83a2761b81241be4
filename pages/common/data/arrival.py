"""How a text comes onto this machine: uploaded, or fetched from where it is published."""

import streamlit as st

from lm import datasets
from lm.datasets import DamagedTextError, Dataset, DatasetError, Download
from lm.datasets.encodings import GUESS, REPLACING
from pages.common import corpora, wording


def upload() -> None:
    """Take a text of the user's own; if it cannot be read, a sentence says why."""
    label = "A text file, up to 100 MB; it stays on this machine"
    file = st.file_uploader(label, key=renewed("upload"), max_upload_size=100)
    if file is None:
        return
    replaces = st.session_state.get("replaces") == file.file_id
    encoding = REPLACING if replaces else GUESS
    try:
        path = datasets.save_text(file.name, file.getvalue(), encoding=encoding)
    except (DatasetError, OSError) as error:
        below = "; what stands below is another text" if corpora.uploads() else ""
        st.error(wording.plain(f"{error} It was not added{below}."))
        if isinstance(error, DamagedTextError):
            st.button(
                "Add it, and read \N{REPLACEMENT CHARACTER} where it is damaged",
                key="replace",
                on_click=st.session_state.update,
                kwargs={"replaces": file.file_id},
            )
        return
    if st.session_state.get("uploaded") != path.name:
        st.session_state["uploaded"] = st.session_state[renewed("text")] = path.name
        if replaces:
            st.session_state[f"encoding-{path.name}"] = REPLACING
    st.success(f"{wording.plain(corpora.text_title(path.name))} is here.")


def renewed(key: str) -> str:
    """The key of a widget that forgets what it shows whenever a text is deleted."""
    n_deleted = st.session_state.get("n_deleted", 0)
    return f"{key}-{n_deleted}" if n_deleted else key


def deletion(name: str) -> None:
    """A button that deletes an uploaded text, after it has said what that does."""

    def delete() -> None:
        (corpora.UPLOADS / name).unlink(missing_ok=True)
        st.session_state.pop("uploaded", None)
        st.session_state["n_deleted"] = st.session_state.get("n_deleted", 0) + 1

    with st.popover("Delete", icon=":material/delete:", key=renewed("delete")):
        st.markdown(
            f"Delete {wording.plain(corpora.text_title(name))} from this machine? Runs that were "
            "trained on it stay; those that are paused cannot go on without it."
        )
        st.button("Delete this text", key="delete-text", type="primary", on_click=delete)


def fetch(info: Dataset, source: Download | None) -> None:
    """Offer to download a corpus, and ask for consent where its terms need it."""
    st.info(f"{info.title} is not on this machine yet.")
    folder = wording.plain(str(datasets.datasets_dir() / info.name))
    if source is None:
        st.caption(f"Put its files in {folder}.")
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
            f"sha256. Or put the file in {folder}."
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
