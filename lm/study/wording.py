"""Numbers and lists as a report writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def signed(value: float) -> str:
    """Three decimals and a minus that is as wide as a plus."""
    return f"{value:.3f}".replace("-", "−")


def power(flops: float, digits: int = 3) -> str:
    """9.6e+11 -> 9.6e11"""
    mantissa, _, exponent = f"{flops:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def listed(items: Iterable[object], last: str = "and") -> str:
    """a, b and c"""
    *first, end = [str(item) for item in items] or [""]
    return f"{', '.join(first)} {last} {end}" if first else end


def sentence(text: str) -> str:
    """With a capital at the start and a stop at the end."""
    return f"{text[:1].upper()}{text[1:]}."


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown; the first column is text, the others numbers."""
    lines = ["| " + " | ".join(heading) + " |", "|---|" + "--:|" * (len(heading) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)
