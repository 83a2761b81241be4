"""The form of the page Generate: the prompt, who continues it, and how tokens are drawn."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lm.datasets.tokenizers import UnknownTokenError
from lm.runs import Run
from lm.writing.sampling import Sampling
from pages.common import links, wording

MOST_RUNS = 4
ROMEO = "ROMEO:\nO"
SAMPLING_KEYS = ("temperature", "top_k", "top_p", "min_p")


@dataclass(frozen=True)
class Request:
    """What the form asks for."""

    runs: list[Run]
    prompt: str
    n_tokens: int
    sampling: Sampling


def _arrive(by_label: dict[str, Run]) -> None:
    """A link from another page chooses its run, and the prompt that it was tried with."""
    wanted = links.take_run_to_write()
    for label, run in by_label.items():
        if run.run_id == wanted:
            samples = run.samples()
            st.session_state["runs"] = [label]
            if not samples.empty:
                st.session_state["prompt"] = samples.iloc[-1]["prompt"]


def _opening(runs: list[Run]) -> str:
    """A prompt to begin with, of characters that the first run knows."""
    for run in runs:
        with contextlib.suppress(UnknownTokenError):
            run.tokenizer().encode(ROMEO)
            return ROMEO
        samples = run.samples()
        if not samples.empty:
            return samples.iloc[-1]["prompt"]
    return ROMEO


def form(runs: list[Run]) -> Request:
    """Prompt, checkpoints and sampling. Sliders do not rerun the page: the browser re-weighs."""
    by_label = {label: run for run, label in zip(runs, wording.names(runs).values(), strict=True)}
    _arrive(by_label)
    left, right = st.columns([3, 2], gap="medium")
    prompt = left.text_area(
        "Prompt", _opening(runs[:1]), key="prompt", bind="query-params", height=122, max_chars=5000
    )
    labels = right.multiselect(
        f"Checkpoints, up to {MOST_RUNS}",
        list(by_label),
        default=list(by_label)[:1],
        key="runs",
        bind="query-params",
        max_selections=MOST_RUNS,
        placeholder="Choose one or more",
    )
    with right.container(horizontal=True, gap="small"):
        n_tokens = st.number_input(
            "Tokens", 1, 2000, 300, 50, key="n_tokens",
            bind="query-params", on_change="ignore",
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, key="text_seed",
            bind="query-params", on_change="ignore",
            help="The same seed writes the same text, and gives every checkpoint the same luck.",
        )  # fmt: skip
    ignore: Any = {"bind": "query-params", "on_change": "ignore"}
    columns = st.columns(4, gap="medium")
    temperature = columns[0].slider(
        "Temperature (T)", 0.0, 2.0, 0.8, 0.05, key="temperature", **ignore,
        help="Sharper below 1, flatter above; 0 always takes the likeliest token.",
    )  # fmt: skip
    top_k = columns[1].slider(
        "Likeliest tokens kept (top-k; 0: all)", 0, 100, 0, key="top_k", **ignore,
        help="Keep this many of the likeliest tokens; 0 keeps all.",
    )  # fmt: skip
    top_p = columns[2].slider(
        "Probability kept (top-p; 1: all)", 0.01, 1.0, 1.0, 0.01, key="top_p", **ignore,
        help="Keep the fewest likeliest tokens whose probabilities reach this sum; 1 keeps all.",
    )  # fmt: skip
    min_p = columns[3].slider(
        "Least share of the top (min-p; 0: all)", 0.0, 1.0, 0.0, 0.01, key="min_p", **ignore,
        help="Drop tokens less probable than this share of the likeliest one; 0 keeps all.",
    )  # fmt: skip
    return Request(
        runs=[by_label[label] for label in labels],
        prompt=prompt,
        n_tokens=n_tokens,
        sampling=Sampling(
            temperature=temperature, top_k=top_k or None, top_p=top_p, min_p=min_p, seed=seed
        ),
    )
