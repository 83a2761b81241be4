"""Lists, counts, shares and numbers as they stand in a sentence or a table."""

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


def counted(number: int, noun: str) -> str:
    """How many: "1 run", "5,000 runs"; the noun takes an s."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def decimal(value: float, digits: int = 4) -> str:
    """A number to so many decimals: "1,234.5000", and "0.0000" for what is just below 0."""
    return f"{value:z,.{digits}f}"


def signed(value: float) -> str:
    """A number with three decimals, and with a true minus sign."""
    return decimal(value, 3).replace("-", "−")


def percent(share: float) -> str:
    """A share to two digits: "12 %", "0.52 %"."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
