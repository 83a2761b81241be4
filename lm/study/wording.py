"""Numbers, sentences and tables as the report writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def sentence(text: str) -> str:
    """`text` with a capital at its start and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}."


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown; the first column is text, the others numbers."""
    lines = ["| " + " | ".join(heading) + " |", "|---|" + "--:|" * (len(heading) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)
