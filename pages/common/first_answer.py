"""The answer of the first page: what some seconds buy on this machine, with a line each wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lm.base.flops import flops_text
from lm.runs import Run, forecast
from lm.runs.frontier import loss_on_validation
from lm.runs.plan import plan
from lm.runs.presets import DEFAULT
from pages.common import corpora, ladders, wording

SPANS = {"10 seconds": 10.0, "A minute": 60.0, "Ten minutes": 600.0}  # of training
MOST_LINES = 3  # of a sample


@dataclass(frozen=True)
class Bought:
    """What a span of time buys: a run of the ladder that fits into it."""

    span: str
    run: Run
    seconds: float  # predicted, on this machine


def bought(every: Sequence[Run]) -> list[Bought]:
    """For each span the run of the default recipes that is best on validation and fits into it.

    `every`: all runs outside of ladders and the study. The result is empty where no ladder comes
    with the program.
    """
    ladder = [r for r in [*ladders.runs(), *every] if r.shipped and r.config.preset == DEFAULT]
    texts: dict[tuple[str, str], list[Run]] = {}
    for run in ladder:
        texts.setdefault((run.facts.sha256, run.config.data.tokenizer), []).append(run)
    most = max(texts.values(), key=len, default=[])
    seconds = {run.run_id: _seconds(run, every) for run in most}
    found = []
    for span, limit in SPANS.items():
        fitting = [run for run in most if seconds[run.run_id] <= limit]
        best = min(fitting, key=lambda run: loss_on_validation(run) or 0, default=None)
        if best is not None:
            found.append(Bought(span, best, seconds[best.run_id]))
    return found


def show(answers: Sequence[Bought]) -> None:
    """A column for each span: the loss, what was trained, and a line that it wrote."""
    for column, answer in zip(st.columns(len(answers), gap="medium"), answers, strict=True):
        run = answer.run
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"##### {answer.span}")
            st.metric(
                "Perplexity",
                f"{run.status.test.perplexity:.2f}" if run.status.test else "–",
                help="Among how many equally likely characters or words the model has to choose "
                "at each, on the test split: lower is better.",
            )
            st.markdown(
                f"{wording.architecture(run.config.model.architecture)}, "
                f"{flops_text(run.status.flops.total, 2)} training FLOPs"
            )
            st.caption(
                f"{wording.short(run.n_params)} parameters, about "
                f"{forecast.in_words(answer.seconds)} here"
            )
            st.code(sample_lines(run), language=None, wrap_lines=True)


def sample_lines(run: Run) -> str:
    """The first lines of the run's last text, its prompt included."""
    samples = run.samples()
    if samples.empty:
        return ""
    last = samples.iloc[-1]
    written = f"{last['prompt']}{last['text']}".splitlines()
    lines = [line for line in written if line.strip()][:MOST_LINES]
    return "\n".join(lines).removesuffix(f"\n{last['prompt'].strip()}")


def text_of(answers: Sequence[Bought]) -> str:
    """Which text the runs learnt, in words."""
    return corpora.title(answers[0].run.config.data)


def _seconds(run: Run, history: Sequence[Run]) -> float:
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    return forecast.seconds(run.config, steps, history)
