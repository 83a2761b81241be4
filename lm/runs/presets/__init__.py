"""Presets: from a budget and a corpus to every setting of a run.

A new one is a file like the others and a line in `PRESETS`.
"""

from __future__ import annotations

from lm.base.registry import Registry
from lm.runs.presets.classic import CLASSIC
from lm.runs.presets.modern import MODERN
from lm.runs.presets.nanogpt import NANOGPT
from lm.runs.presets.spec import Brief, Preset, Settings
from lm.runs.presets.study import STUDY

PRESETS: Registry[Preset] = Registry(
    "preset",
    (
        MODERN,
        STUDY,
        CLASSIC,
        NANOGPT,
    ),
)
DEFAULT = MODERN.name

__all__ = ["DEFAULT", "PRESETS", "Brief", "Preset", "Settings"]
