"""How runs look in charts: their colours, dashes and marks.

An architecture has a look of its own. Further runs of one architecture share its colour and differ
by dash and mark. The colours are Okabe and Ito's: colour-blind people tell them apart, and they
can be read on white and on black.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import altair as alt

from lm.architectures import ARCHITECTURES
from lm.base.looks import Look

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7B00", "#7F7F7F")
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (9, 3, 2, 3), (2, 2))
MORE_DASHES = ((4, 2), (12, 4), (9, 3, 2, 3, 2, 3), (1, 4), (14, 3, 5, 3))
STAR = (
    "M0,-1L0.25,-0.35L0.95,-0.31L0.4,0.13L0.59,0.81"
    "L0,0.42L-0.59,0.81L-0.4,0.13L-0.95,-0.31L-0.25,-0.35Z"
)
SHAPES = ("circle", "square", "diamond", "triangle-up")
MORE_SHAPES = ("cross", "triangle-down", "triangle-right", "triangle-left", STAR)
NEUTRAL = "#7c8088"  # of reference lines, on a light and on a dark page
MARKED = "#8a63d2"  # of a line that a person drew; no architecture has it
PAGES = ("#fffefb", "#14171b")  # the background of a light page and of a dark one
CONTRAST = 4.5  # of small type against its background, as WCAG 2.2 asks for


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
        place = order.index(group)
        first = Look(
            PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)], SHAPES[place % len(SHAPES)]
        )
        if by_architecture:
            first = of_architecture(group)
            place = SHAPES.index(first.shape) if first.shape in SHAPES else 0
        rank = ranks[first.color] = ranks.get(first.color, -1) + 1
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


# --- text ---------------------------------------------------------------------------------------


def inks(color: str) -> tuple[str, str]:
    """What text in a colour is written in on a light page and on a dark one: shades of it."""
    return _readable(color, PAGES[0], 0), _readable(color, PAGES[1], 255)


def ink(color: str) -> Any:
    """The same as a property of a mark or of an axis, which the browser works out."""
    return by_page(*(f"'{shade}'" for shade in inks(color)))


def by_page(on_light: str, on_dark: str) -> Any:
    """A Vega expression that is one of two others, by the background of the chart."""
    return alt.expr(f"luminance(background) < 0.2 ? {on_dark} : {on_light}")


@functools.lru_cache(maxsize=128)
def _readable(color: str, page: str, towards: int) -> str:
    """The colour, mixed with black (0) or white (255) until it has `CONTRAST` on a page."""
    channels = _channels(color)
    for percent in range(101):
        share = percent / 100
        mixed = [round(c + share * (towards - c)) for c in channels]
        shade = "#" + "".join(f"{c:02x}" for c in mixed)
        if contrast(shade, page) >= CONTRAST:
            return shade
    raise ValueError(f"No shade of {color} can be read on {page}.")


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    shares = [channel / 255 for channel in _channels(color)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _channels(color: str) -> list[int]:
    """Red, green and blue of "#0072b2", or of "#07b", each from 0 to 255."""
    digits = color.removeprefix("#")
    size = len(digits) // 3
    return [int((digits[i : i + size] * 2)[:2], 16) for i in range(0, 3 * size, size)]


# --- scales and channels ------------------------------------------------------------------------


def by_label(looks: Iterable[Look]) -> dict[str, Look]:
    """The looks by what they are called."""
    return {look.label: look for look in looks}


def series_scale(looks: Mapping[str, Look], cue: Literal["color", "dash", "shape"]) -> alt.Scale:
    """The scale from series, by which looks are found, to colours, dashes or shapes."""
    cues = [getattr(look, cue) for look in looks.values()]
    return alt.Scale(domain=list(looks), range=[list(c) for c in cues] if cue == "dash" else cues)


def cues(
    field: str, looks: Mapping[str, Look], legend: alt.Legend | None = None
) -> tuple[alt.Color, alt.StrokeDash, alt.Shape]:
    """How a field of series is drawn: colour, dash and shape."""
    return (
        alt.Color(f"{field}:N", scale=series_scale(looks, "color"), legend=legend),
        alt.StrokeDash(f"{field}:N", scale=series_scale(looks, "dash"), legend=legend),
        alt.Shape(f"{field}:N", scale=series_scale(looks, "shape"), legend=legend),
    )
