"""The ladders that pages hold runs against: which there are, and what they say in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import streamlit as st

from lm.base.flops import flops_text
from lm.base.wording import listed
from lm.jobs.ladder import ladder_store
from lm.runs import Run, RunStore
from lm.runs.frontier import Distance, Frontier, Lead, loss_on_test
from lm.runs.presets import DEFAULT, PRESETS
from lm.study.shipped import compared_run_ids
from pages.common import caches, wording

LEVEL = 0.005  # nats: closer than this to the frontier is on it


def runs() -> list[Run]:
    """The complete runs of all ladders: the program's, the study's, and those trained here."""
    store, study = ladder_store(caches.store()), caches.study_store()
    own = _complete(str(store.root), stamp(store))
    return [*own, *_of_study(str(study.root), stamp(study))]


def presets(ladder: Iterable[Run]) -> list[str]:
    """The presets of a ladder's runs, in the order of their registry, the default first."""
    there = {run.config.preset for run in ladder}
    return sorted((name for name in PRESETS if name in there), key=lambda name: name != DEFAULT)


def reference(run: Run) -> tuple[str, list[Run]]:
    """The ladder that a run is compared with when it ends: its preset, and its runs.

    It is on the same text in the same tokens. Prefer the run's own preset. If its model at about
    the run's FLOPs has tables of n-grams and the run has none (or the reverse), take a preset that
    matches; without one, the ladder is empty.
    """
    own = run.config.preset
    comparable = [other for other in runs() if other.comparable_key == run.comparable_key]
    for preset in sorted(presets(comparable), key=lambda preset: preset != own):
        ladder = [other for other in comparable if other.config.preset == preset]
        if bool(wording.in_tables(_nearest(ladder, run))) == bool(wording.in_tables(run)):
            return preset, ladder
    return own, []


def _nearest(ladder: Iterable[Run], run: Run) -> Run:
    """The run of a ladder with most nearly as many FLOPs, if possible of the same architecture."""

    def distance(other: Run) -> tuple[bool, float]:
        another = other.config.model.architecture != run.config.model.architecture
        return another, abs(math.log(other.facts.flops.total / run.facts.flops.total))

    return min(ladder, key=distance)


def frontier(
    ladder: Iterable[Run], preset: str, score: Callable[[Run], float | None] = loss_on_test
) -> Frontier:
    """The frontier of the ladder's runs by one preset; its runs are of one text and its tokens."""
    return Frontier.of((run for run in ladder if run.config.preset == preset), score)


def distance(run: Run, frontier: Frontier) -> Distance | None:
    """How far a run is from a frontier; None before it is scored, and beyond the ladder."""
    score = loss_on_test(run)
    return None if score is None else frontier.distance(run.status.flops.total, score)


# --- in words -----------------------------------------------------------------------------------


def distance_text(distance: Distance | None) -> str:
    """A distance, as in "0.08 worse: 4e10 would do"; empty where nothing can be said."""
    if distance is None:
        return ""
    if abs(distance.gap) < LEVEL:
        return "on the frontier"
    if distance.gap > 0:
        enough = distance.enough and f": {flops_text(distance.enough, 2)} would do"
        return f"{distance.gap:.2f} worse{enough or ''}"
    needs = distance.enough and f": worth {flops_text(distance.enough, 2)}"
    return f"{-distance.gap:.2f} better{needs or ''}"


def leads_text(leads: Sequence[Lead]) -> str:
    """Who leads at which budgets, in a sentence or two of Markdown."""
    spans: dict[str, list[str]] = {}
    for lead in leads:
        if lead.architecture is not None:
            spans.setdefault(lead.architecture, []).append(_span(lead, leads))
    led = [
        f"**{wording.architecture(name)}** {'leads ' * (place == 0)}{listed(where)}"
        for place, (name, where) in enumerate(spans.items())
    ]
    close = [_span(lead, leads) for lead in leads if lead.architecture is None and lead.firm]
    few = [_span(lead, leads) for lead in leads if not lead.firm]
    if few and not led and not close:
        return "There are too few seeds to tell which architecture leads."
    sentences = [f"{'; '.join(led)}."] if led else []
    if close:
        sentences.append(f"{_sentence(listed(close))} seeds differ more than architectures.")
    if few:
        sentences.append(f"{_sentence(listed(few))} there are too few seeds to tell.")
    return " ".join(sentences)


def _span(lead: Lead, leads: Sequence[Lead]) -> str:
    """The budgets of a stretch, in words."""
    low, high = flops_text(lead.low), flops_text(lead.high)
    if len(leads) > 1 and lead is leads[0]:
        return f"up to {high} FLOPs"
    if lead.low == lead.high:
        return f"at {low}"
    return f"from {low} on" if lead is leads[-1] and len(leads) > 1 else f"from {low} to {high}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- read once ----------------------------------------------------------------------------------


def stamp(store: RunStore) -> tuple[int, int]:
    """Changes whenever a run of the store appears, ends or goes."""
    paths = [*store.root.glob("*/status.json"), *store.root.glob("*.parquet")]
    times = [path.stat().st_mtime_ns for path in paths]
    return len(times), max(times, default=0)


@st.cache_resource(max_entries=4, show_spinner=False)
def _complete(folder: str, stamp: tuple[int, int]) -> list[Run]:
    return [run for run in RunStore(folder).list() if run.state == "complete"]


@st.cache_resource(max_entries=2, show_spinner=False)
def _of_study(folder: str, stamp: tuple[int, int]) -> list[Run]:
    """The study's final runs, never those of its search."""
    compared = set(compared_run_ids())
    return [run for run in RunStore(folder).list() if run.run_id in compared]
