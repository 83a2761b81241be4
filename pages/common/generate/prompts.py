"""What is to be said about the prompt before anybody writes: once, whatever else shows it."""

from dataclasses import replace

import streamlit as st

from pages.common import caches, wording
from pages.common.generate.form import Request


def read(request: Request) -> Request:
    """The request with those of its runs that can go on from the prompt; says why others cannot."""
    if not request.runs:
        st.info("Choose at least one checkpoint.")
    able, problems, notes = [], dict[str, list[str]](), dict[str, list[str]]()
    for run in request.runs:
        try:
            with st.spinner("Loading the checkpoint …"):
                prompt = caches.prompt(run, request.prompt)
                caches.next_token(run, request.prompt)
        except (ValueError, OSError) as error:
            problems.setdefault(str(error), []).append(run.name)
            continue
        able.append(run)
        for note in prompt.notes:
            notes.setdefault(note, []).append(run.name)
    several = len(request.runs) > 1
    for problem, names in problems.items():
        st.error(_said(problem, names if several else []))
    for note, names in notes.items():
        st.caption(_said(note, names if several else []))
    return replace(request, runs=able)


def _said(sentence: str, names: list[str]) -> str:
    """A sentence after the names of those whom it is about."""
    return wording.plain(f"{', '.join(names)}: {sentence}" if names else sentence)
