"""How runs look: an architecture has a colour, a dash and a mark, and further runs follow it.

The colours are Okabe and Ito's palette: told apart by the colour-blind, readable on white and on
black.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import altair as alt

from lm.architectures import ARCHITECTURES
from lm.base.looks import Look

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7B00", "#7F7F7F")
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (9, 3, 2, 3), (2, 2))
MORE_DASHES = ((4, 2), (12, 4), (9, 3, 2, 3, 2, 3), (1, 4), (14, 3, 5, 3))
SHAPES = ("circle", "square", "diamond", "triangle-up")
MORE_SHAPES = ("cross", "triangle-down", "triangle-right", "triangle-left", "wedge")
NEUTRAL = "#7c8088"  # references: between the ink of a light and of a dark page
SHORT_LABEL = 14  # characters: of these, two fit beside each other on a phone


def of_architecture(name: str) -> Look:
    """The look of an architecture; grey for one that is not registered here."""
    return ARCHITECTURES[name].look if name in ARCHITECTURES else Look(NEUTRAL)


def run_looks(groups: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Look]:
    """A look for every run of `groups` (run id -> what decides its colour), in that order.

    Architectures have looks of their own; other groups take the palette's colours in order. Runs
    of one colour differ by dash and shape. What a run looks like depends on the runs before it
    alone, so it keeps its look when another one is shown, hidden or added.
    """
    by_architecture = set(groups.values()) <= set(ARCHITECTURES)
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
            dash=_cue(first.dash, MORE_DASHES, place, rank),
            shape=_cue(first.shape, MORE_SHAPES, place, rank),
            label=labels[run_id],
        )
    return by_run


def _cue(first: Any, more: Sequence[Any], place: int, rank: int) -> Any:
    """The cue of a group's run number `rank`: the group's own, then others, each from its place."""
    start = place % len(more)
    every = [first, *(cue for cue in (*more[start:], *more[:start]) if cue != first)]
    return every[rank % len(every)]


def few_looks(names: Iterable[str]) -> dict[str, Look]:
    """A colour and a shape for each of a few names, at most four."""
    return {
        name: Look(PALETTE[place], shape=SHAPES[place], label=name)
        for place, name in enumerate(names)
    }


# --- of charts ----------------------------------------------------------------------------------


def look_scale(looks: Iterable[Look], cue: Literal["color", "dash", "shape"]) -> alt.Scale:
    """The scale from labels to colours, dashes or shapes."""
    by_label = {look.label: look for look in looks}
    cues = [getattr(look, cue) for look in by_label.values()]
    range_ = [list(dash) for dash in cues] if cue == "dash" else cues
    return alt.Scale(domain=list(by_label), range=range_)


def legend(title: str | None, looks: Mapping[str, Look]) -> alt.Legend:
    """A legend under the chart, in two columns where labels are short."""
    columns = _legend_columns(looks)
    return alt.Legend(title=title, orient="bottom", columns=columns, labelLimit=520)


def with_legend(height: int, looks: Mapping[str, Look]) -> int:
    """The height of a chart and its legend."""
    return height + 22 * math.ceil(len(looks) / _legend_columns(looks))


def _legend_columns(looks: Mapping[str, Look]) -> int:
    return 2 if all(len(look.label) <= SHORT_LABEL for look in looks.values()) else 1
