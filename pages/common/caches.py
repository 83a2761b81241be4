"""What pages read more than once, kept between reruns.

Every cached function takes all that changes its answer; a `stamp` changes when its file does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from lm.architectures import Decoder
from lm.datasets.tokenizers import Tokenizer
from lm.jobs import JobQueue
from lm.runs import STUDY, Run, RunStore, read_run
from lm.writing.generation import next_token_logits
from lm.writing.loading import load_decoder
from lm.writing.prompts import Prompt, read_prompt
from pages.common.components.bars import MOST_BARS


def store() -> RunStore:
    """The runs of `LM_RUNS_DIR`, or of the project's `checkpoints/`."""
    return RunStore()


def study_store() -> RunStore:
    """The runs of the coursework's study, which stand apart."""
    return RunStore(store().root / STUDY)


@st.cache_resource(show_spinner=False, on_release=JobQueue.close)
def jobs() -> JobQueue:
    """The server's one queue of runs to train. The first call also gets a worker ready."""
    queue = JobQueue()
    queue.warm()
    return queue


def trained_runs() -> list[Run]:
    """All runs that have weights to write with.

    The user's come first, newest first; then the shipped ones, the study's among them, by rising
    validation loss.
    """

    def order(run: Run) -> tuple[bool, float]:
        score = run.shipped and run.status.valid
        return run.shipped, score.loss if score else 0.0

    runs = [run for run in store().list() if run.weights_path.exists()]
    of_study = (read_run(path.parent) for path in study_store().root.glob("*/model.safetensors"))
    return sorted([*runs, *(run for run in of_study if run.shipped)], key=order)


def decoder(run: Run) -> Decoder:
    """The run's model with its weights, to write with. Raises `CheckpointError`."""
    return _decoder(str(run.path), _stamp(run.weights_path))


def tokenizer(run: Run) -> Tokenizer:
    """The run's tokenizer."""
    return _tokenizer(str(run.path), run.created_at)


def prompt(run: Run, typed: str) -> Prompt:
    """A prompt as the run's model reads it. Raises `CheckpointError` or `UnknownTokenError`."""
    return read_prompt(typed, tokenizer(run), decoder(run))


def next_token(run: Run, typed: str) -> tuple[list[str], np.ndarray]:
    """The likeliest next tokens, and (V,) natural log-probabilities of all tokens, falling."""
    return _next_token(str(run.path), _stamp(run.weights_path), typed)


def last_sample(run: Run, prompt: str) -> tuple[list[str], list[float]] | None:
    """The tokens, and their probabilities, that the run wrote after `prompt` when it ended.

    None if it wrote nothing after that prompt.
    """
    samples = run.samples()
    samples = samples[samples["prompt"] == prompt]
    if samples.empty or not samples.iloc[-1]["tokens"]:
        return None
    last = samples.iloc[-1]
    return list(last["tokens"]), list(last["probabilities"])


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0  # the file is gone: whoever reads it gets an error that says so


@st.cache_resource(max_entries=8, show_spinner=False)
def _decoder(path: str, stamp: int) -> Decoder:
    return load_decoder(store().get(path))


@st.cache_resource(max_entries=16, show_spinner=False)
def _tokenizer(path: str, created_at: str) -> Tokenizer:
    return store().get(path).tokenizer()


@st.cache_data(max_entries=64, show_spinner=False)
def _next_token(path: str, stamp: int, typed: str) -> tuple[list[str], np.ndarray]:
    run = store().get(path)
    encoder = tokenizer(run)
    logits = next_token_logits(decoder(run), prompt(run, typed).token_ids)
    order = np.argsort(-logits, kind="stable")
    falling = logits[order] - logits.max()
    likeliest = [encoder.token_text(int(token_id)) for token_id in order[:MOST_BARS]]
    return likeliest, falling - np.log(np.exp(falling).sum())
