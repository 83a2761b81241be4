"""How a series of a chart is drawn: the same wherever it appears."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """A colour, and the cues for those who do not see it: a dash and a mark."""

    color: str  # "#0072B2"
    dash: tuple[int, ...] = (1, 0)  # lengths of line and gap; (1, 0) has no gap
    shape: str = "circle"  # a mark of Vega's
    label: str = ""
