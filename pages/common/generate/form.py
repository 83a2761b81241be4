"""The form of the page Generate: the prompt, who continues it, and how tokens are drawn."""

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from lm.runs import Run
from lm.writing.sampling import Sampling
from pages.common import caches, links, wording

MOST_RUNS = 4
MOST_CHARS = 5000  # of a prompt: the address holds it
SLIDERS: dict[str, tuple] = {  # key -> label, least, most, at first, step, help
    "temperature": (
        *("Temperature (T)", 0.0, 2.0, 0.8, 0.05),
        "Sharper below 1, flatter above; 0 always takes the likeliest token.",
    ),
    "top_k": (
        *("Likeliest tokens kept (top-k; 0: all)", 0, 100, 0, 1),
        "Keep this many of the likeliest tokens; 0 keeps all.",
    ),
    "top_p": (
        *("Probability kept (top-p; 1: all)", 0.01, 1.0, 1.0, 0.01),
        "Keep the fewest likeliest tokens whose probabilities reach this sum; 1 keeps all.",
    ),
    "min_p": (
        *("Least share of the top (min-p; 0: all)", 0.0, 1.0, 0.0, 0.01),
        "Drop tokens less probable than this share of the likeliest one; 0 keeps all.",
    ),
}


@dataclass(frozen=True)
class WritingTask:
    """What the form asks for."""

    runs: list[Run]
    prompt: str
    n_tokens: int
    sampling: Sampling


def _arrive(by_label: dict[str, Run]) -> None:
    """Choose the run that a link from another page names, with a prompt of that run's own.

    A run that the address names and that is not here is said.
    """
    wanted = links.take_run_to_write()
    for label, run in by_label.items():
        if run.run_id == wanted:
            for key in ("runs", "prompt"):
                st.session_state.pop(key, None)
            links.Link("generate", {"runs": label}).follow()  # as the page itself writes it
    for name in filter(None, [wanted, *st.query_params.get_all("runs")]):
        if name not in by_label:
            st.warning(f"There is no trained model named {wording.plain(name)} here.")


def _prompt(run: Run | None) -> str:
    """The field for the prompt: that of the first run's own samples, until something is typed."""
    samples, state = run.samples() if run else None, st.session_state
    opening = "" if samples is None or samples.empty else samples.iloc[-1]["prompt"]
    before, typed = state.get("prompt_offered", opening), state.get("prompt")
    state["prompt_offered"] = value = opening
    if typed and len(typed) > MOST_CHARS:
        state["prompt"], value = typed[-MOST_CHARS:], None  # a value is set by one or the other
        state["prompt_cut"] = state["prompt"], len(typed)
    elif before != opening and typed == before:
        state["prompt"], value = opening, None
    prompt = st.text_area(
        "Prompt", value, key="prompt", bind="query-params", persist_state="session", height=122
    )
    kept, n_typed = state.get("prompt_cut", ("", 0))
    if n_typed and prompt == kept:
        st.caption(f"The prompt had {n_typed:,} characters; its last {MOST_CHARS:,} are kept.")
    return prompt or ""


def form(runs: list[Run]) -> WritingTask:
    """Prompt, checkpoints and sampling. Sliders do not rerun the page: the browser re-weighs."""
    by_label = {label: run for run, label in zip(runs, wording.names(runs).values(), strict=True)}
    _arrive(by_label)
    left, right = st.columns([3, 2], gap="medium")
    labels = right.multiselect(
        f"Checkpoints, up to {MOST_RUNS}",
        list(by_label),
        list(by_label)[:1],
        key="runs",
        bind="query-params",
        persist_state="session",
        max_selections=MOST_RUNS,
        placeholder="Choose one or more",
    )
    with left:
        prompt = _prompt(by_label[labels[0]] if labels else None)
    kept: Any = {"bind": "query-params", "persist_state": "session", "on_change": "ignore"}
    with right.container(horizontal=True, gap="small"):
        n_tokens = st.number_input("Tokens", 1, 2000, 300, 50, key="n_tokens", **kept)
        seed = st.number_input(
            *("Seed", 0, 2**31 - 1, 0),
            key="text_seed",
            help="The same seed writes the same text, and gives every checkpoint the same luck.",
            **kept,
        )
    drawn: dict[str, Any] = {}
    for column, (name, slider) in zip(st.columns(4, gap="medium"), SLIDERS.items(), strict=True):
        *label_and_range, help_text = slider
        drawn[name] = column.slider(*label_and_range, key=name, help=help_text, **kept)
    drawn["top_k"] = drawn["top_k"] or None
    return WritingTask(
        runs=[by_label[label] for label in labels],
        prompt=prompt,
        n_tokens=n_tokens,
        sampling=Sampling(**drawn, seed=int(seed)),
    )


def able(request: WritingTask) -> WritingTask:
    """The request with those of its runs that can continue the prompt; says why others cannot.

    A problem or a note about the prompt is said once, with the names of the runs that it is about.
    """
    if not request.runs:
        st.info("Choose at least one checkpoint.")
    runs, problems, notes = [], dict[str, list[str]](), dict[str, list[str]]()
    for run in request.runs:
        try:
            with st.spinner("Loading the checkpoint …"):
                prompt = caches.prompt(run, request.prompt)
                caches.next_token(run, request.prompt)
        except (ValueError, OSError) as error:
            problems.setdefault(str(error), []).append(run.name)
            continue
        runs.append(run)
        for note in prompt.notes:
            notes.setdefault(note, []).append(run.name)
    for show, sentences in ((st.error, problems), (st.caption, notes)):
        for sentence, names in sentences.items():
            about = f"{', '.join(names)}: " if len(request.runs) > 1 else ""
            show(wording.plain(about + sentence))
    return replace(request, runs=runs)
