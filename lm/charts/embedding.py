"""Charts as Vega-Lite for a page or a file: whole, with their data, and compact."""

from __future__ import annotations

from typing import Any

DIGITS = 5  # of a number, more than can be seen


def embedded(chart: Any) -> dict[str, Any]:
    """The Vega-Lite specification of a chart, in the theme of this process.

    Its data are in it once, under "datasets", with `DIGITS` significant digits.
    """
    return _rounded(chart.to_dict())


def _rounded(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _rounded(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_rounded(value) for value in part]
    if isinstance(part, float):
        number = float(f"{part:.{DIGITS}g}")
        return int(number) if number.is_integer() else number
    return part
