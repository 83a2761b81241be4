"""A run in figures: its losses, what it has spent, how fast it goes."""

import pandas as pd
import streamlit as st

from lm.base.flops import flops_text
from lm.base.records import Evaluation, about_unknown_words
from lm.base.wording import counted
from lm.runs import Run, forecast
from lm.runs.remarks import LARGE_LOSS
from pages.common import wording

RECENT_ROWS = 25  # over which speeds are averaged

Figure = tuple[str, str, str]  # label, value, help


def show(run: Run, metrics: pd.DataFrame, busy: bool) -> None:
    """The figures in a row."""
    valid, test = run.status.valid, run.status.test
    sampled, train = metrics["sampled_val_loss"].dropna(), metrics["train_loss"]
    wording.metrics(
        _score("Validation", run, valid)
        if valid
        else _last("Validation", sampled, "Loss on a fixed sample of the validation split"),
        _score("Test", run, test)
        if test
        else _last("Training", train, "Training loss, mean since the row before"),
        *_spent(run, metrics, busy),
        key="figures",
        gap="small",
    )


def facts(run: Run) -> None:
    """What the run is, in a line."""
    engine, saved = str(run.facts.engine), run.status.checkpoint_step
    if run.status.not_compiled:
        engine = f"eager: {wording.plain(run.status.not_compiled)}"
    parts = [
        *wording.learns(run),
        f"seed {run.config.training.seed}",
        counted(run.facts.threads, "thread"),
        engine,
        f"weights of step {saved:,}" if saved else "",
        wording.plain(run.run_id),
    ]
    st.caption(" · ".join(filter(None, parts)))


def _last(label: str, losses: pd.Series, meaning: str) -> Figure:
    """The last value of a curve."""
    return label, f"{losses.iloc[-1]:.3f}" if len(losses) else "–", f"{meaning}, nats per token."


def _score(label: str, run: Run, result: Evaluation) -> Figure:
    """The score of a whole split, in nats per token or, where these do not compare, in bits."""
    score, part = result.loss, label[:5]
    if not result.compares_by_loss:
        score, label = result.bits_per_char, f"{part}, bits"
    unknown = about_unknown_words({part.lower(): result.unknown_share})
    meaning = (
        f"Whole split, {result.n_tokens:,} tokens: {result.loss:.4f} nats per token, perplexity "
        f"{result.perplexity:.2f}, {result.bits_per_char:.3f} bits per character"
        f"{wording.untold(run, result)}. {wording.plain(unknown)}"
    )
    value = f"{score:.3f}" if score < LARGE_LOSS else wording.short(score)
    return label, value, meaning.strip()


def _spent(run: Run, metrics: pd.DataFrame, busy: bool) -> list[Figure]:
    """FLOPs, speed and time."""
    done, planned = run.status.flops.total, run.facts.flops.total
    meaning = (
        f"Training FLOPs: forward + backward + optimizer, of {flops_text(planned)} planned. "
        f"{wording.NOT_COUNTED}"
    )
    figures = [("FLOPs", flops_text(done, 2) if done else "0", meaning)]
    left = None
    recent = metrics[["tokens", "flops", "seconds"]].tail(RECENT_ROWS)
    if len(recent) > 1:
        tokens, flops, seconds = recent.iloc[-1] - recent.iloc[0]
        if seconds > 0:
            left = (planned - done) / flops * seconds
            speeds = wording.short(tokens / seconds), wording.short(flops / seconds)
            figures.append(("Tokens/s", speeds[0], "Training tokens per second."))
            figures.append(("FLOP/s", speeds[1], "Training FLOPs per second."))
    if busy and left is not None:
        figures.append(("Left", forecast.in_words(left), "At this speed."))
    else:
        time = f"{run.status.seconds:.1f} s"
        figures.append(("Time", time, "Training alone, without scoring."))
    return figures
