"""What a finished run came to, in a sentence, and what to try next, as links that set the dials."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lm.base.flops import flops_text
from lm.base.records import Evaluation
from lm.datasets import DatasetError
from lm.runs import Run
from lm.runs.frontier import Frontier, loss_on_validation, score_at
from lm.runs.remarks import remarks
from pages.common import corpora, drafts, ladders, wording

CLEAR = 0.005  # nats: a difference below this is none
TEN_TIMES = 10


@dataclass(frozen=True)
class Step:
    """Something to try next: what it is called, and what it changes in the form (None: resets)."""

    label: str
    choices: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Sentences of Markdown about a run, and steps from there."""

    text: str
    steps: tuple[Step, ...]


def show(run: Run, set_dials: Callable[[Mapping[str, Any]], None]) -> None:
    """The verdict on a run that is complete. `set_dials` takes the choices of a step."""
    if run.state != "complete" or run.status.valid is None:
        return
    try:
        references = corpora.references(run.config.data)
    except (DatasetError, ValueError):
        references = {}  # its text is not here any more
    preset, ladder = ladders.reference(run)
    frontier = ladders.frontier(ladder, preset, loss_on_validation)
    verdict = judge(run, references, frontier, preset)
    with st.container(key="verdict", gap="xsmall"):
        st.markdown(verdict.text)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for place, step in enumerate(verdict.steps):
                if st.button(step.label, key=f"try-{place}", icon=":material/arrow_forward:"):
                    set_dials(step.choices)
                    st.rerun()  # the form, which stands outside this part of the page


def judge(run: Run, references: Mapping[str, float], frontier: Frontier, preset: str) -> Verdict:
    """What a scored run came to.

    Args:
        run: It has a validation loss.
        references: Name -> validation loss of counting, nats per token.
        frontier: Of the ladder on its text and of its kind, in validation loss; may be empty.
        preset: By which that ladder was trained.
    """
    loss = loss_on_validation(run)
    assert loss is not None
    assert run.status.valid is not None
    parts = [_reached(run.status.valid, references)]
    steps: list[Step] = []
    told = [wording.plain(sentence) for sentence in remarks(run)]
    if run.worse_than_guessing:
        return Verdict(" ".join(told), (Step("Try the recipe's settings", _by_hand(run)),))
    parts += told
    flops = run.status.flops.total
    architecture = run.config.model.architecture
    line = frontier.lines.get(architecture, ())
    here, further = score_at(line, flops), score_at(line, TEN_TIMES * flops)
    if here is not None and further is not None:
        parts.append(_ten_times(here - further))
        if here - further > CLEAR:
            steps += _more_compute(run)
    if (best := frontier.best_at(flops)) is not None:
        name, score = best
        if name != architecture and loss - score > CLEAR:
            title = wording.architecture(name)
            by = "the recipe" if preset == run.config.preset else f"preset {preset}"
            parts.append(f"{title}, by {by}, ends {loss - score:.2f} lower at this budget.")
            recipe = {"architecture": name, "preset": preset, **_budget(run, 1)}
            steps.append(Step(f"Try {title}", {**_by_hand(run), **recipe}))
        elif here is not None and loss - here > CLEAR:
            parts.append(f"The recipe's own settings end {loss - here:.2f} lower for these FLOPs.")
        elif name == architecture and abs(loss - score) <= 0.02:
            parts.append("Nothing that the recipes know does better at this budget.")
    training = run.config.training
    if training.unspent:
        cap, unspent = flops_text(training.most_flops or 0), flops_text(training.unspent)
        parts.append(f"It kept to its budget cap of {cap} FLOPs and left {unspent} unspent.")
    if not steps:
        steps += _more_compute(run)
    return Verdict(" ".join(parts), tuple(steps))


def _reached(valid: Evaluation, references: Mapping[str, float]) -> str:
    """The score, in what compares: nats per token, or bits per character."""
    if not valid.compares_by_loss:
        return f"**{valid.bits_per_char:.3f} bits per character** on validation."
    return f"**{valid.loss:.3f}** on validation{_counting(valid.loss, references)}."


def _by_hand(run: Run) -> dict[str, None]:
    """The settings of a run that may have been set by hand, to be reset."""
    names = drafts.model_settings(run.config.model.architecture) | drafts.training_settings()
    return dict.fromkeys(names)


def _counting(loss: float, references: Mapping[str, float]) -> str:
    """How the loss compares with the best of counting."""
    if not (best := wording.best_of_counting(references)):
        return ""
    what, reached = best
    side = "above" if loss > reached else "below"
    return f", {abs(loss - reached):.2f} {side} counting {what}"


def _ten_times(gain: float) -> str:
    if gain > CLEAR:
        return f"On this text ten times the FLOPs buy **{gain:.2f}** more."
    return "On this text ten times the FLOPs buy nothing more."


def _more_compute(run: Run) -> list[Step]:
    """Ten times its FLOPs, or what the dial has of them; nothing where the run is at its end."""
    choices = _budget(run, TEN_TIMES)
    if run.config.training.unspent or choices["budget"] <= _spent(run):
        return []
    return [Step(f"Try {flops_text(choices['budget'], 2)} FLOPs", choices)]


def _spent(run: Run) -> float:
    return run.config.training.most_flops or run.status.flops.total


def _budget(run: Run, times: float) -> dict[str, float]:
    """The notch of the dial that is nearest to some multiple of the run's budget."""
    wanted = times * _spent(run)
    return {"budget": min(drafts.BUDGETS, key=lambda notch: abs(notch / wanted - 1))}
