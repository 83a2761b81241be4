"""What is done to a series before it is drawn: it is thinned, smoothed or shortened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST_POINTS = 500


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


def smooth(values: pd.Series, share: float) -> pd.Series:
    """The centred running mean over a `share` of the series, in (0, 1]; shorter at its ends."""
    width = max(1, round(share * len(values)))
    return values.rolling(width, center=True, min_periods=1).mean()


def sparkline(values: Sequence[float], points: int = 32) -> list[float]:
    """At most `points` means of neighbouring values, for a cell of a table."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if len(finite) <= points:
        return finite.tolist()
    return [float(piece.mean()) for piece in np.array_split(finite, points)]


def span(values: pd.Series) -> tuple[float, float]:
    """The lowest and the highest value; 0 and 1 where there is none."""
    values = values.dropna().astype(float)
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
