"""Many runs from one small file.

A run of a sweep is known by its content: its id is a hash of its settings and its text. So a
sweep that was interrupted goes on where it was, one that is repeated costs nothing, and two
sweeps share the runs that they have in common. Nothing here imports torch.
"""

from lm.jobs.sweeps.conclusion import conclusion, run_names, settings_text
from lm.jobs.sweeps.definition import WEIGHTS, Point, Sweep, Weights, in_words, value_of
from lm.jobs.sweeps.estimates import Estimate, PlannedRun, estimate
from lm.jobs.sweeps.expansion import Loader, expand, find, remembered, stable_id
from lm.jobs.sweeps.running import SweepProgress, SweepResult, run_sweep

__all__ = [
    "WEIGHTS",
    "Estimate",
    "Loader",
    "PlannedRun",
    "Point",
    "Sweep",
    "SweepProgress",
    "SweepResult",
    "Weights",
    "conclusion",
    "estimate",
    "expand",
    "find",
    "in_words",
    "remembered",
    "run_names",
    "run_sweep",
    "settings_text",
    "stable_id",
    "value_of",
]
