"""Where the names of horizontal lines stand, so that none lies on another or on a line."""

from __future__ import annotations

import functools
import heapq
from typing import Literal, NamedTuple

TEXT = 15  # pixels of a line of text
OFFSETS = (11, -9, 26, -24)  # pixels from a line down to the middle of its name, nearest first
LOW = 0.55  # a curve of losses falls to this share of its axis at once: then left of it is free
KEPT = 50  # choices for the lines so far that are followed up


class Place(NamedTuple):
    """Where the name of a line stands: at which end of it, and how many pixels below it."""

    end: Literal["left", "right"]
    offset: int


_PLACES = tuple(Place(end, offset) for offset in OFFSETS for end in ("right", "left"))


@functools.lru_cache(maxsize=256)
def places(heights: tuple[float, ...], height: float) -> tuple[Place, ...]:
    """A place for the name of each line.

    Args:
        heights: Pixels from the top of the plot to each line.
        height: Pixels of the plot.

    Names keep off each other and off lines, and then off a curve that falls from the upper left
    to the lower right: high lines are named at their right ends, low ones at their left.

    From the highest line down, the cheapest `KEPT` choices for the lines so far are kept. Names
    disturb each other only where their lines are near, so little is lost by leaving out the rest.
    """
    kept: list[tuple[float, dict[int, Place]]] = [(0.0, {})]
    for i in sorted(range(len(heights)), key=lambda i: heights[i]):
        longer = [
            (
                cost
                + _cost_alone(heights[i], place, height)
                + sum(_cost_of_two(heights[i], place, heights[j], at) for j, at in chosen.items()),
                {**chosen, i: place},
            )
            for cost, chosen in kept
            for place in _PLACES
        ]
        kept = heapq.nsmallest(KEPT, longer, key=lambda each: each[0])
    best = kept[0][1]
    return tuple(best[i] for i in range(len(heights)))


def _cost_alone(line: float, place: Place, height: float) -> float:
    middle = line + place.offset
    outside = middle < TEXT / 2 or middle > height - TEXT / 2
    curve_is_there = place.end == ("left" if line < LOW * height else "right")
    return 100 * outside + 4 * curve_is_there + 2 * OFFSETS.index(place.offset)


def _cost_of_two(line: float, place: Place, other_line: float, other: Place) -> float:
    middle, other_middle = line + place.offset, other_line + other.offset
    cost = 60 * (_overlap(middle - other_line, TEXT / 2) + _overlap(other_middle - line, TEXT / 2))
    if place.end == other.end:
        overlap = _overlap(middle - other_middle, TEXT)
        cost += (1000 + 200 * overlap) * (overlap > 0)
        cost += 30 * ((middle - other_middle) * (line - other_line) < 0)  # not in their order
    return cost


def _overlap(distance: float, needed: float) -> float:
    """How much two things lie on each other: 0 from a distance on, 1 where they coincide."""
    return max(0.0, needed - abs(distance)) / needed
