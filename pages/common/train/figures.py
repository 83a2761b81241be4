"""A run in figures: its losses, what it has spent, how fast it goes."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lm.base.flops import flops_text
from lm.base.records import Evaluation, about_unknown_words
from lm.runs import Run, forecast
from lm.runs.remarks import LARGE_LOSS
from pages.common import corpora, wording

RECENT_ROWS = 25  # over which speeds are averaged

Figure = tuple[str, str, str]  # label, value, help


def show(run: Run, metrics: pd.DataFrame, busy: bool) -> None:
    """The figures in a row."""
    figures = [*_losses(run, metrics), *_spent(run, metrics, busy)]
    with st.container(horizontal=True, gap="small", key="figures"):
        for label, value, help_text in figures:
            st.metric(label, value, help=help_text, width="content")


def facts(run: Run) -> None:
    """What the run is, in a line."""
    threads, engine = run.facts.threads, run.facts.engine
    if run.status.not_compiled:
        engine = f"eager: {wording.plain(run.status.not_compiled)}"
    st.caption(
        f"{wording.architecture(run.config.model.architecture)} of "
        f"{wording.parameters(run.n_params, wording.in_tables(run))} · "
        f"{wording.plain(corpora.title(run.config.data))} · "
        f"{wording.vocabulary(run)} · "
        f"seed {run.config.training.seed} · {threads} thread{'s'[: threads > 1]} · "
        f"{engine} · "
        + (f"weights of step {saved:,} · " if (saved := run.status.checkpoint_step) else "")
        + f"{wording.plain(run.run_id)}"
    )


def _losses(run: Run, metrics: pd.DataFrame) -> list[Figure]:
    """The scores on whole splits; until they are there, the last values of the curve."""
    valid, test = run.status.valid, run.status.test
    sampled = metrics["sampled_val_loss"].dropna()
    figures = [
        (_label("Validation", valid), _score(valid), _scores(run, "valid", valid))
        if valid
        else (
            "Validation",
            f"{sampled.iloc[-1]:.3f}" if len(sampled) else "–",
            "Loss on a fixed sample of the validation split, nats per token.",
        )
    ]
    figures.append(
        (_label("Test", test), _score(test), _scores(run, "test", test))
        if test
        else (
            "Training",
            f"{metrics['train_loss'].iloc[-1]:.3f}" if len(metrics) else "–",
            "Training loss, mean since the row before, nats per token.",
        )
    )
    return figures


def _score(result: Evaluation) -> str:
    """It with three decimals, or short where a lost run's would not fit."""
    score = result.loss if result.compares_by_loss else result.bits_per_char
    return f"{score:.3f}" if score < LARGE_LOSS else wording.short(score)


def _label(part: str, result: Evaluation) -> str:
    """What the score is called, with its unit where that is not nats per token."""
    return part if result.compares_by_loss else f"{part[:5]}, bits"


def _scores(run: Run, part: str, result: Evaluation) -> str:
    unknown = about_unknown_words({part: result.unknown_share})
    return (
        f"Whole split, {result.n_tokens:,} tokens: {result.loss:.4f} nats per token, perplexity "
        f"{result.perplexity:.2f}, {result.bits_per_char:.3f} bits per character"
        f"{wording.untold(run, result)}. {wording.plain(unknown)}"
    ).strip()


def _spent(run: Run, metrics: pd.DataFrame, busy: bool) -> list[Figure]:
    speed = _speed(metrics[["tokens", "flops", "seconds"]])
    done, planned = run.status.flops.total, run.facts.flops.total
    text = (
        f"Training FLOPs: forward + backward + optimizer, of {flops_text(planned)} planned. "
        f"{wording.NOT_COUNTED}"
    )
    figures = [("FLOPs", flops_text(done, 2) if done else "0", text)]
    if speed:
        figures.append(("Tokens/s", wording.short(speed.tokens), "Training tokens per second."))
        figures.append(("FLOP/s", wording.short(speed.flops), "Training FLOPs per second."))
    if busy and speed:
        left = forecast.in_words((planned - done) / speed.flops)
        figures.append(("Left", left, "At this speed."))
    else:
        seconds = f"{run.status.seconds:.1f} s"
        figures.append(("Time", seconds, "Training alone, without scoring."))
    return figures


@dataclass(frozen=True)
class _Speed:
    """Tokens and training FLOPs per second."""

    tokens: float
    flops: float


def _speed(metrics: pd.DataFrame) -> _Speed | None:
    recent = metrics.tail(RECENT_ROWS)
    if len(recent) < 2:
        return None
    span = recent.iloc[-1] - recent.iloc[0]
    if span.seconds <= 0:
        return None
    return _Speed(span.tokens / span.seconds, span.flops / span.seconds)
