"""The architectures as a ladder: what each costs, and how far the same compute took it."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from lm.architectures import ARCHITECTURES
from lm.base.records import Evaluation
from lm.runs import Run
from pages.common import wording
from pages.common.components.browser import read

MARKS = {"circle": "●", "square": "■", "triangle-up": "▲", "diamond": "◆"}


def rungs(runs: Sequence[Run]) -> list[Run]:
    """One finished run per architecture, all on one text at one budget, best test loss first.

    Text, tokenizer and budget are those that most architectures share. Shipped runs are taken
    before the user's own; of several runs of an architecture, the best on validation.
    """
    finished = [run for run in runs if run.status.valid and run.status.test]
    finished = [run for run in finished if run.shipped] or finished
    settings: dict[tuple, dict[str, Run]] = {}
    for run in sorted(finished, key=lambda run: -_loss(run.status.valid)):
        setting = run.comparable_key, run.config.training.budget
        settings.setdefault(setting, {})[run.config.model.architecture] = run
    best = max(settings.values(), key=len, default={})
    return sorted(best.values(), key=lambda run: _loss(run.status.test))


def show(runs: Sequence[Run]) -> None:
    """Draw the ladder of `rungs`, as a table: the best on top."""
    losses = [_loss(run.status.test) for run in runs]
    low, high = min(losses), max(losses)
    rows = "".join(_row(run, _place(_loss(run.status.test), low, high)) for run in runs)
    st.html(
        f"<style>{read('ladder.css')}</style><table class='ladder'><thead><tr>"
        "<th scope='col'>Architecture</th>"
        "<th scope='col' class='figure'>Parameters</th>"
        "<th scope='col' class='figure'>FLOPs per token</th>"
        "<th scope='col' class='figure'>Test loss</th>"
        "<th scope='col' class='track'>← lower is better</th>"
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _loss(scored: Evaluation | None) -> float:
    """The loss of a split that has been scored, as those of every rung have."""
    assert scored is not None
    return scored.loss


def _place(loss: float, low: float, high: float) -> float:
    """Where a loss lies between the best and the worst, in percent of the track."""
    return 4 + 92 * (loss - low) / (high - low) if high > low else 50


def _row(run: Run, place: float) -> str:
    architecture = ARCHITECTURES[run.config.model.architecture]
    color, mark = architecture.look.color, MARKS.get(architecture.look.shape, "●")
    sign = f"<span aria-hidden='true' style='color:{color}'>{mark}</span>"
    per_token = run.status.flops.total / run.status.tokens
    return (
        f"<tr><th scope='row'><span class='mark'>{sign}</span><b>{architecture.title}</b>"
        f"<small>{escape(architecture.plainly)}</small></th>"
        f"<td class='figure'>{wording.count(run.n_params)}</td>"
        f"<td class='figure'>{wording.short(per_token)}</td>"
        f"<td class='figure'><b>{_loss(run.status.test):.3f}</b></td>"
        f"<td class='track'><div class='scale'><span style='left:{place:.1f}%;color:{color}' "
        f"aria-hidden='true'>{mark}</span></div></td></tr>"
    )
