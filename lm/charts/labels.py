"""Where the names of horizontal lines stand, so that none lies on another or on a line."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

TEXT = 15  # pixels of a line of text
OFFSETS = (11, -9, 26, -24)  # pixels from a line down to the middle of its name, nearest first
LOW = 0.55  # a curve of losses falls to this share of its axis at once: then left of it is free
MOST_ROUNDS = 10


@dataclass(frozen=True)
class Place:
    """Where the name of a line stands: at which end of it, and how far below it."""

    end: Literal["left", "right"]
    offset: int  # one of `OFFSETS`


_PLACES = tuple(Place(end, offset) for offset in OFFSETS for end in ("right", "left"))


@functools.lru_cache(maxsize=256)
def places(heights: tuple[float, ...], height: float) -> tuple[Place, ...]:
    """A place for the name of each line.

    Args:
        heights: Pixels from the top of the plot to each line.
        height: Pixels of the plot.

    Names keep off each other and off lines, and then off a curve that falls from the upper left
    to the lower right: high lines are named at their right ends, low ones at their left.
    """
    starts = [tuple(place for _ in heights) for place in _PLACES]
    ends = [_settled(heights, height, start) for start in starts]
    return min(ends, key=lambda chosen: _total(heights, height, chosen))


def _settled(
    heights: tuple[float, ...], height: float, start: tuple[Place, ...]
) -> tuple[Place, ...]:
    """From `start` each in turn takes the best place that the others leave it, until all stay."""
    chosen = list(start)
    for _ in range(MOST_ROUNDS):
        before = list(chosen)
        for i, at in enumerate(heights):
            others = [pair for j, pair in enumerate(zip(heights, chosen, strict=True)) if j != i]
            costs = {
                place: _alone(at, place, height) + _among(at, place, others) for place in _PLACES
            }
            chosen[i] = min(costs, key=lambda place: costs[place])
        if chosen == before:
            break
    return tuple(chosen)


def _total(heights: tuple[float, ...], height: float, chosen: tuple[Place, ...]) -> float:
    named = list(zip(heights, chosen, strict=True))
    return sum(
        _alone(at, place, height) + _among(at, place, named[:i] + named[i + 1 :]) / 2
        for i, (at, place) in enumerate(named)
    )


def _alone(line: float, place: Place, height: float) -> float:
    """What is to be said against a place, other lines apart."""
    middle = line + place.offset
    outside = middle < TEXT / 2 or middle > height - TEXT / 2
    curve_is_there = place.end == ("left" if line < LOW * height else "right")
    return 100 * outside + 4 * curve_is_there + 2 * OFFSETS.index(place.offset)


def _among(line: float, place: Place, others: list[tuple[float, Place]]) -> float:
    """What is to be said against a place where other lines and their names are."""
    middle = line + place.offset
    cost = 0.0
    for at, other in others:
        cost += 60 * _overlap(middle - at, TEXT / 2)  # its own name on their line
        cost += 60 * _overlap(line - at - other.offset, TEXT / 2)  # their name on its own line
        if place.end == other.end:
            cost += 30 * ((middle - at - other.offset) * (line - at) < 0)  # not in their order
            cost += 200 * _overlap(middle - at - other.offset, TEXT)
    return cost


def _overlap(distance: float, needed: float) -> float:
    """How much two things lie on each other: 0 from a distance on, 1 where they coincide."""
    return max(0.0, needed - abs(distance)) / needed
