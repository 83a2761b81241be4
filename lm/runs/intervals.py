"""What seeds allow to claim: a mean with its interval, and whether two means differ."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from lm.base.wording import signed

CONFIDENCE = 0.95
LEAST_SEEDS = 3  # from which on a difference may be claimed


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The mean over seeds, with 95 % confidence where there are two or more."""

    mean: float
    half_width: float  # infinite for one seed
    n: int  # seeds

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Student's interval for the mean of `values`, one for each seed."""
        n = len(values)
        half = _student(n - 1) * stdev(values) / math.sqrt(n) if n > 1 else math.inf
        return cls(mean=fmean(values), half_width=half, n=n)

    def __str__(self) -> str:
        spread = f" ± {self.half_width:.3f}" if self.n > 1 else " (1 seed)"
        return f"{signed(self.mean)}{spread}"


@functools.cache
def _student(degrees: int) -> float:
    """The two-sided quantile of Student's t, for this many degrees of freedom."""
    # `scipy.stats` takes a second to import
    from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far apart two means are, and whether that may be claimed."""

    mean: float  # the second less the first
    half_width: float
    clear: bool  # both have enough seeds, and the intervals do not touch

    @property
    def gain(self) -> bool:
        """Whether the second is clearly larger."""
        return self.clear and self.mean > 0

    @property
    def loss(self) -> bool:
        """Whether the second is clearly smaller."""
        return self.clear and self.mean < 0

    def __str__(self) -> str:
        return f"{abs(self.mean):.3f} ± {self.half_width:.3f}"


def difference(first: Interval, second: Interval) -> Difference:
    """From `first` to `second`; it is clear where the two 95 % intervals are apart."""
    gap = second.mean - first.mean
    enough = min(first.n, second.n) >= LEAST_SEEDS
    return Difference(
        mean=gap,
        half_width=math.hypot(first.half_width, second.half_width),
        clear=enough and abs(gap) > first.half_width + second.half_width,
    )
