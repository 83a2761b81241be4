"""What is done to a series before it is drawn: it is thinned, smoothed or shortened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST_POINTS = 500
FINE = 1e-6  # of a value: a smaller distance between the ends of an axis has no ticks to read


def thin(frame: pd.DataFrame, y: str, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most `most` rows that draw the same line: the ends and the local extremes of `y`."""
    if len(frame) <= most:
        return frame
    values = frame[y].to_numpy(dtype=float)
    kept = {0, len(frame) - 1}
    for piece in np.array_split(np.arange(len(frame)), (most - 2) // 2):
        if not np.isnan(values[piece]).all():
            kept |= {
                int(piece[np.nanargmin(values[piece])]),
                int(piece[np.nanargmax(values[piece])]),
            }
    return frame.iloc[sorted(kept)]


def log_spaced(end: int, most: int = 200) -> np.ndarray:
    """At most `most` whole numbers from 1 to `end`, evenly spaced on a logarithmic axis."""
    return np.unique(np.geomspace(1, end, most).round().astype(int))


def smooth(values: pd.Series, steps: pd.Series, over: int) -> pd.Series:
    """The mean of each value and those before it, less of them the longer they are ago.

    Args:
        values: A series of losses.
        steps: When each was recorded, rising.
        over: Steps after which a value counts for half as much.

    The result at a step depends only on what was recorded up to it, so two runs with equal first
    steps have equal first points, however long each of them went on.
    """
    losses, at = values.to_numpy(dtype=float), steps.to_numpy(dtype=float)
    decay = 0.5 ** (np.diff(at, prepend=at[:1]) / over)
    means, total, weight = np.empty(len(losses)), 0.0, 0.0
    for i, loss in enumerate(losses):
        total, weight = decay[i] * total + loss, decay[i] * weight + 1
        means[i] = total / weight
    return pd.Series(means, index=values.index)


def sparkline(values: Sequence[float], points: int = 32) -> list[float]:
    """At most `points` means of neighbouring values, for a cell of a table."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if len(finite) <= points:
        return finite.tolist()
    return [float(piece.mean()) for piece in np.array_split(finite, points)]


def span(values: pd.Series) -> tuple[float, float]:
    """The lowest and the highest finite value; 0 and 1 where there is none."""
    numbers = values.dropna().astype(float)
    numbers = numbers[np.isfinite(numbers)]
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)


def positive_span(values: pd.Series) -> tuple[float, float]:
    """The same of the values above 0, as a logarithmic axis needs them; 1 and 10 for none."""
    numbers = values[values.astype(float) > 0]
    return span(numbers) if len(numbers) else (1.0, 10.0)


def padded(low: float, high: float, share: float = 0.08) -> tuple[float, float]:
    """The ends of an axis that shows everything from `low` to `high`, with a margin at each end.

    `share` of the distance between them is each margin. Where they are equal, or as good as
    equal, there is a margin too.
    """
    width = high - low
    if width <= FINE * max(abs(low), abs(high)):
        width = 0.25 * abs(high) or 1.0
    return low - share * width, high + share * width
