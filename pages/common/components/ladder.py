"""The architectures as a ladder: what each costs, and how far the same compute took it."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from lm.architectures import ARCHITECTURES
from lm.runs import Run
from lm.runs.frontier import loss_on_test, loss_on_validation
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
    for run in sorted(finished, key=lambda run: loss_on_validation(run) or 0.0, reverse=True):
        setting = run.comparable_key, run.config.training.budget
        settings.setdefault(setting, {})[run.config.model.architecture] = run
    best = max(settings.values(), key=len, default={})
    return sorted(best.values(), key=lambda run: loss_on_test(run) or 0.0)


def show(runs: Sequence[Run]) -> None:
    """Draw the ladder of `rungs`, as a table: the best on top."""
    losses = [loss_on_test(run) or 0.0 for run in runs]
    low, span = losses[0], losses[-1] - losses[0]
    places = [4 + 92 * (loss - low) / span if span else 50 for loss in losses]  # % of the track
    rows = "".join(map(_row, runs, losses, places))
    st.html(
        f"<style>{read('ladder.css')}</style><table class='ladder'><thead><tr>"
        "<th scope='col'>Architecture</th>"
        "<th scope='col' class='figure'>Parameters</th>"
        "<th scope='col' class='figure'>FLOPs per token</th>"
        "<th scope='col' class='figure'>Test loss</th>"
        "<th scope='col' class='track'>← lower is better</th>"
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(run: Run, loss: float, place: float) -> str:
    architecture = ARCHITECTURES[run.config.model.architecture]
    color, mark = architecture.look.color, MARKS.get(architecture.look.shape, "●")
    sign = f"<span aria-hidden='true' style='color:{color}'>{mark}</span>"
    per_token = run.status.flops.total / run.status.tokens
    return (
        f"<tr><th scope='row'><span class='mark'>{sign}</span><b>{architecture.title}</b>"
        f"<small>{escape(architecture.plainly)}</small></th>"
        f"<td class='figure'>{wording.count(run.n_params)}</td>"
        f"<td class='figure'>{wording.short(per_token)}</td>"
        f"<td class='figure'><b>{loss:.3f}</b></td>"
        f"<td class='track'><div class='scale'><span style='left:{place:.1f}%;color:{color}' "
        f"aria-hidden='true'>{mark}</span></div></td></tr>"
    )
