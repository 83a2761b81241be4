"""What a finished run came to, in a sentence, and what to try next, as links that set the dials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lm.base.flops import flops_text
from lm.base.records import Evaluation
from lm.runs import Run
from lm.runs.frontier import Frontier, loss_on_validation, score_at
from lm.runs.remarks import remarks
from pages.common import corpora, drafts, ladders, wording
from pages.common.train import form

CLEAR = 0.005  # nats: a difference below this is none
TEN_TIMES = 10


@dataclass(frozen=True)
class Suggestion:
    """Something to try next: its name, and what it changes in the form (None: resets)."""

    label: str
    choices: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Sentences of Markdown about a run, and steps from there."""

    text: str
    steps: tuple[Suggestion, ...]


def show(run: Run) -> None:
    """The verdict on a run that is complete."""
    if run.state != "complete" or run.status.valid is None:
        return
    try:
        references = corpora.references(run.config.data)
    except ValueError:
        references = {}  # its text is not here any more
    preset, ladder = ladders.reference(run)
    frontier = ladders.frontier(ladder, preset, loss_on_validation)
    verdict = judge(run, references, frontier, preset)
    with st.container(key="verdict", gap="xsmall"):
        st.markdown(verdict.text)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for place, step in enumerate(verdict.steps):
                if st.button(step.label, key=f"try-{place}", icon=":material/arrow_forward:"):
                    form.change(step.choices)
                    st.rerun()  # the form, which stands outside this part of the page


def judge(run: Run, references: Mapping[str, float], frontier: Frontier, preset: str) -> Verdict:
    """What a scored run came to.

    Args:
        run: It has a validation loss.
        references: Name -> validation loss of counting, nats per token.
        frontier: Of the ladder on its text and of its kind, in validation loss; may be empty.
        preset: By which that ladder was trained.
    """
    valid, training = run.status.valid, run.config.training
    assert valid is not None
    architecture, loss, flops = run.config.model.architecture, valid.loss, run.status.flops.total
    told = [wording.plain(sentence) for sentence in remarks(run)]
    reset = dict.fromkeys(drafts.model_settings(architecture) | drafts.training_settings())
    if run.worse_than_guessing:
        return Verdict(" ".join(told), (Suggestion("Try the recipe's settings", reset),))
    spent = training.most_flops or flops
    budget = _notch(TEN_TIMES * spent)
    larger = [Suggestion(f"Try {flops_text(budget, 2)} FLOPs", {"budget": budget})]
    if training.unspent or budget <= spent:
        larger = []
    parts, steps = [_reached(valid, references), *told], list[Suggestion]()
    line = frontier.lines.get(architecture, ())
    here, further = score_at(line, flops), score_at(line, TEN_TIMES * flops)
    if here is not None and further is not None:
        gains = here - further > CLEAR
        gain = f"**{here - further:.2f}** more" if gains else "nothing more"
        parts.append(f"On this text ten times the FLOPs buy {gain}.")
        steps += larger if gains else []
    if (best := frontier.best_at(flops)) is not None:
        name, score = best
        if name != architecture and loss - score > CLEAR:
            title = wording.architecture(name)
            by = "the recipe" if preset == run.config.preset else f"preset {preset}"
            parts.append(f"{title}, by {by}, ends {loss - score:.2f} lower at this budget.")
            recipe = {"architecture": name, "preset": preset, "budget": _notch(spent)}
            steps.append(Suggestion(f"Try {title}", {**reset, **recipe}))
        elif here is not None and loss - here > CLEAR:
            parts.append(f"The recipe's own settings end {loss - here:.2f} lower for these FLOPs.")
        elif name == architecture and abs(loss - score) <= 0.02:
            parts.append("Nothing that the recipes know does better at this budget.")
    if training.unspent:
        cap, unspent = flops_text(training.most_flops or 0), flops_text(training.unspent)
        parts.append(f"It kept to its budget cap of {cap} FLOPs and left {unspent} unspent.")
    return Verdict(" ".join(parts), tuple(steps or larger))


def _reached(valid: Evaluation, references: Mapping[str, float]) -> str:
    """The score, in what compares: nats per token beside the best of counting, or bits."""
    if not valid.compares_by_loss:
        return f"**{valid.bits_per_char:.3f} bits per character** on validation."
    text = f"**{valid.loss:.3f}** on validation"
    if best := wording.best_of_counting(references):
        name, loss = best
        side = "above" if valid.loss > loss else "below"
        text += f", {abs(valid.loss - loss):.2f} {side} counting {name}"
    return f"{text}."


def _notch(flops: float) -> float:
    """The notch of the budget's dial that is nearest."""
    return min(drafts.BUDGETS, key=lambda notch: abs(notch / flops - 1))
