"""The answer of the first page: the best model for some seconds on this machine, and its text.

The runs are those of the ladder by the default recipes; their times here are predicted.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.base.glossary import meaning
from lm.runs import Run, forecast
from lm.runs.frontier import loss_on_validation
from lm.runs.plan import plan
from lm.runs.presets import DEFAULT
from pages.common import ladders, wording

SPANS = {"Within 10 seconds": 10.0, "Within a minute": 60.0, "Within ten minutes": 600.0}
LEAST_CHARACTERS = 12  # of a line that shows the text of a model
HEIGHT = 470  # pixels of the picture
Y_TITLE = "Perplexity on validation"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The ladder's runs of one architecture at one budget: their score, and the time of one."""

    run: Run  # the first of them
    seconds: float  # predicted training time on this machine
    perplexity: float  # of the validation split: exp of the mean loss

    @property
    def architecture(self) -> str:
        return self.run.config.model.architecture


def _budget(run: Run) -> float:
    return run.config.training.budget or run.status.flops.total


def offers(every: Sequence[Run]) -> list[Offer]:
    """Those of the ladder by the default recipes, on the text that has most runs.

    `every`: all runs outside of ladders and the study. The result is empty where no ladder comes
    with the program.
    """
    ladder = [
        run
        for run in [*ladders.runs(), *every]
        if run.shipped and run.config.preset == DEFAULT and run.status.valid
    ]
    n_runs = Counter(run.comparable_key for run in ladder)
    text = max(n_runs, key=n_runs.__getitem__, default=None)
    rungs: dict[tuple[str, float], list[Run]] = {}
    for run in ladder:
        if run.comparable_key == text:
            rungs.setdefault((run.config.model.architecture, _budget(run)), []).append(run)
    found = []
    for first, *others in rungs.values():
        steps = plan(first.config, first.vocab_size, first.facts.n_train_tokens)
        seconds = forecast.seconds(first.config, steps, first.vocab_size, every)
        loss = fmean(loss_on_validation(run) or 0.0 for run in [first, *others])
        found.append(Offer(run=first, seconds=seconds, perplexity=math.exp(loss)))
    return found


def bought(ladder: Sequence[Offer]) -> dict[str, Offer]:
    """Span -> the best offer that fits into it, of those that lead at their budget.

    Predicted times change with every run. So they decide which budget fits into a span, and which
    architecture is best for a budget is decided by losses alone.
    """
    leaders: dict[float, Offer] = {}  # by budget, the lowest perplexity first
    for offer in sorted(ladder, key=lambda offer: offer.perplexity):
        leaders.setdefault(_budget(offer.run), offer)
    best = {
        span: next((offer for offer in leaders.values() if offer.seconds <= limit), None)
        for span, limit in SPANS.items()
    }
    return {span: offer for span, offer in best.items() if offer}


def picture(place: DeltaGenerator, ladder: Sequence[Offer], answers: Mapping[str, Offer]) -> None:
    """Draw in `place` a line for each architecture over its time here, with the answers marked."""
    from lm import charts  # imported late: Altair takes a while
    from pages.common.components.chart import draw

    points = pd.DataFrame(
        [
            {"series": offer.architecture, "seconds": offer.seconds, "y": offer.perplexity}
            for offer in sorted(ladder, key=lambda offer: offer.seconds)
            if offer.seconds <= max(SPANS.values())
        ]
    )
    points["y"] = points.groupby("series")["y"].cummin()  # more time may be left over
    looks = {
        name: charts.of_architecture(name, ARCHITECTURES[name].title)
        for name in ARCHITECTURES
        if name in set(points["series"])
    }
    marks = [
        charts.Answer(span, offer.architecture, offer.seconds, offer.perplexity)
        for span, offer in answers.items()
    ]
    with place:
        draw(
            charts.time_chart(points, looks, marks, y_title=Y_TITLE, height=HEIGHT - 30),
            key="time-buys",
            alt=charts.describe_time(marks, looks, y_title=Y_TITLE),
        )


def show(answers: Mapping[str, Offer]) -> None:
    """A card for each span: the perplexity, the model and its cost, and a line of its text."""
    for span, offer in answers.items():
        with st.container(border=True, gap="xxsmall"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"##### {span}", width="stretch")
                st.markdown(
                    f"Perplexity **{offer.perplexity:.2f}**",
                    width="content",
                    help=meaning("perplexity"),
                )
            st.markdown(
                f"{wording.architecture(offer.architecture)}, "
                f"{flops_text(offer.run.status.flops.total, 2)} training FLOPs, about "
                f"{forecast.in_words(offer.seconds)} here"
            )
            st.code(sample_line(offer.run), language=None, wrap_lines=True)


def sample_line(run: Run) -> str:
    """A finished line of the run's last text, preferably not the name of a speaker."""
    samples = run.samples()
    if samples.empty:
        return ""
    text = str(samples.iloc[-1]["text"])
    lines = [line.strip() for line in text.splitlines()[:-1]] or [text]
    long = [line for line in lines if len(line) >= LEAST_CHARACTERS]
    return next((line for line in long if not line.endswith(":")), (long or lines)[0])
