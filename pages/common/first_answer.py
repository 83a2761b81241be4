"""The answer of the first page: what some seconds buy on this machine, with a line each wrote.

The runs are those of the ladder by the default recipes, and their times are foretold for here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd
import streamlit as st

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.runs import Run, forecast
from lm.runs.frontier import loss_on_validation
from lm.runs.plan import plan
from lm.runs.presets import DEFAULT
from pages.common import corpora, ladders, wording

SPANS = {"Within 10 seconds": 10.0, "Within a minute": 60.0, "Within ten minutes": 600.0}
LEAST_CHARACTERS = 12  # of a line that shows what a model writes
HEIGHT = 470  # pixels of the picture
Y_TITLE = "Perplexity on validation"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the ladder's runs of one architecture at one budget come to, and how long one takes."""

    run: Run  # the first of them
    seconds: float  # of training on this machine, foretold
    perplexity: float  # of the validation split: exp of the mean loss


def offers(every: Sequence[Run]) -> list[Offer]:
    """Those of the ladder by the default recipes, on the text that has most runs.

    `every`: all runs outside of ladders and the study. The result is empty where no ladder comes
    with the program.
    """
    ladder = [r for r in [*ladders.runs(), *every] if r.shipped and r.config.preset == DEFAULT]
    texts: dict[tuple, list[Run]] = {}
    for run in ladder:
        if loss_on_validation(run) is not None:
            texts.setdefault(run.comparable_key, []).append(run)
    rungs: dict[tuple[str, float], list[Run]] = {}
    for run in max(texts.values(), key=len, default=[]):
        rungs.setdefault((run.config.model.architecture, _budget(run)), []).append(run)
    return [
        Offer(
            run=runs[0],
            seconds=_seconds(runs[0], every),
            perplexity=math.exp(fmean(loss_on_validation(run) or 0.0 for run in runs)),
        )
        for runs in rungs.values()
    ]


def bought(ladder: Sequence[Offer]) -> dict[str, Offer]:
    """Span -> the best offer that fits into it, of those that lead at their budget.

    Predicted times change with every run. So they decide which budget fits into a span, and which
    architecture is best for a budget is decided by losses alone.
    """
    leaders: dict[float, Offer] = {}
    for offer in sorted(ladder, key=lambda offer: offer.perplexity):
        leaders.setdefault(_budget(offer.run), offer)
    found = {}
    for span, limit in SPANS.items():
        fitting = [offer for offer in leaders.values() if offer.seconds <= limit]
        if fitting:
            found[span] = min(fitting, key=lambda offer: offer.perplexity)
    return found


def picture(ladder: Sequence[Offer], answers: Mapping[str, Offer]) -> None:
    """A line for each architecture over the time it takes here, with the answers marked."""
    from lm import charts
    from pages.common.components.chart import draw

    points = pd.DataFrame(
        [
            {"series": _architecture(offer), "seconds": offer.seconds, "y": offer.perplexity}
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
        charts.Answer(span, _architecture(offer), offer.seconds, offer.perplexity)
        for span, offer in answers.items()
    ]
    draw(
        charts.time_chart(points, looks, marks, y_title=Y_TITLE, height=HEIGHT - 30),
        key="time-buys",
        alt=charts.describe_time(marks, looks, y_title=Y_TITLE),
    )


def show(answers: Mapping[str, Offer]) -> None:
    """A card for each span: the perplexity, what was trained, and a line that it wrote."""
    for span, offer in answers.items():
        with st.container(border=True, gap="xxsmall"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"##### {span}", width="stretch")
                st.markdown(
                    f"Perplexity **{offer.perplexity:.2f}**",
                    width="content",
                    help="Among how many equally likely characters or words the model has to "
                    "choose at each, on the validation split: lower is better.",
                )
            st.markdown(
                f"{wording.architecture(_architecture(offer))}, "
                f"{flops_text(offer.run.status.flops.total, 2)} training FLOPs, about "
                f"{forecast.in_words(offer.seconds)} here"
            )
            st.code(sample_line(offer.run), language=None, wrap_lines=True)


def sample_line(run: Run) -> str:
    """A line of the run's last text that it wrote in full; rather not the name of a speaker."""
    samples = run.samples()
    if samples.empty:
        return ""
    last = samples.iloc[-1]
    lines = [line.strip() for line in str(last["text"]).splitlines()[:-1]] or [str(last["text"])]
    long = [line for line in lines if len(line) >= LEAST_CHARACTERS]
    return next((line for line in long if not line.endswith(":")), (long or lines)[0])


def text_of(answers: Mapping[str, Offer]) -> str:
    """Which text the runs learnt, in words."""
    return corpora.title(next(iter(answers.values())).run.config.data)


def _budget(run: Run) -> float:
    return run.config.training.budget or run.status.flops.total


def _architecture(offer: Offer) -> str:
    return offer.run.config.model.architecture


def _seconds(run: Run, history: Sequence[Run]) -> float:
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    return forecast.seconds(run.config, steps, run.vocab_size, history)
