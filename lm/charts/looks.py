"""How runs look in charts: their colours, dashes and marks.

An architecture has a look of its own. Further runs of one architecture share its colour and differ
by dash and mark. The colours are Okabe and Ito's: colour-blind people tell them apart, and they
can be read on white and on black.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import altair as alt

from lm.architectures import ARCHITECTURES
from lm.base.looks import Look

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7B00", "#7F7F7F")
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (9, 3, 2, 3), (2, 2))
MORE_DASHES = ((4, 2), (12, 4), (9, 3, 2, 3, 2, 3), (1, 4), (14, 3, 5, 3))
SHAPES = ("circle", "square", "diamond", "triangle-up")
MORE_SHAPES = ("cross", "triangle-down", "triangle-right", "triangle-left", "wedge")
NEUTRAL = "#7c8088"  # of reference lines: it can be read on a light and on a dark page
MARKED = "#8a63d2"  # of a line that a person drew, likewise; no architecture has it


def of_architecture(name: str, label: str = "") -> Look:
    """The look of an architecture, called `label`; grey for one that is not registered here."""
    look = ARCHITECTURES[name].look if name in ARCHITECTURES else Look(NEUTRAL)
    return replace(look, label=label)


def run_looks(groups: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Look]:
    """A look for every run.

    Args:
        groups: Run id -> what decides its colour, such as the name of its architecture.
        labels: Run id -> what it is called in a legend.

    Architectures have their own looks; other groups take the palette's colours in order. Runs of
    one colour differ by dash and shape, and take none that is another architecture's own. A look
    depends only on the runs that stand before it in `groups`, so a run keeps its look when a later
    one is added.
    """
    by_architecture = set(groups.values()) <= set(ARCHITECTURES)
    owned = [each.look for each in ARCHITECTURES.values()] if by_architecture else []
    more_dashes = [dash for dash in MORE_DASHES if dash not in {look.dash for look in owned}]
    more_shapes = [shape for shape in MORE_SHAPES if shape not in {look.shape for look in owned}]
    order = list(dict.fromkeys(groups.values()))
    ranks: dict[str, int] = {}
    by_run = {}
    for run_id, group in groups.items():
        rank = ranks[group] = ranks.get(group, -1) + 1
        place = order.index(group)
        first = Look(
            PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)], SHAPES[place % len(SHAPES)]
        )
        if by_architecture:
            first = of_architecture(group)
            place = SHAPES.index(first.shape) if first.shape in SHAPES else 0
        by_run[run_id] = Look(
            color=first.color,
            dash=_cue(first.dash, more_dashes, place, rank),
            shape=_cue(first.shape, more_shapes, place, rank),
            label=labels[run_id],
        )
    return by_run


def _cue(first: Any, more: Sequence[Any], place: int, rank: int) -> Any:
    """The dash or shape of run number `rank` of a group: the group's own for the first.

    Later runs take the further ones in turn, and each group begins at another `place` among them.
    """
    start = place % max(1, len(more))
    every = [first, *(cue for cue in (*more[start:], *more[:start]) if cue != first)]
    return every[rank % len(every)]


def few_looks(names: Iterable[str]) -> dict[str, Look]:
    """A colour and a shape for each of a few names, at most four."""
    return {
        name: Look(PALETTE[place], shape=SHAPES[place], label=name)
        for place, name in enumerate(names)
    }


# --- scales ---------------------------------------------------------------------------------------


def look_scale(looks: Iterable[Look], cue: Literal["color", "dash", "shape"]) -> alt.Scale:
    """The scale from labels to colours, dashes or shapes."""
    return series_scale({look.label: look for look in looks}, cue)


def series_scale(looks: Mapping[str, Look], cue: Literal["color", "dash", "shape"]) -> alt.Scale:
    """The scale from series, by which looks are found, to colours, dashes or shapes."""
    cues = [getattr(look, cue) for look in looks.values()]
    return alt.Scale(domain=list(looks), range=[list(c) for c in cues] if cue == "dash" else cues)
