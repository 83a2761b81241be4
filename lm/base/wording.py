"""Lists as they stand in a sentence."""

from __future__ import annotations

from collections.abc import Iterable


def listed(items: Iterable[object], last: str = "and", most: int | None = None) -> str:
    """Items as a phrase: "a, b and c".

    Args:
        items: What is listed, each as `str` gives it.
        last: The word before the last of them, "and" or "or".
        most: How many are named; what is beyond is counted: "a, b and 4 more".
    """
    names = [str(item) for item in items] or [""]
    if most is not None and len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end
