"""The study's: sized for the budget, and kept as it is."""

from __future__ import annotations

from lm.runs.presets.sized import Sized


class Study(Sized):
    """Ladders without embeddings of n-grams: its runs compare the architectures alone."""

    name = "study"
    help = (
        "The architectures alone, without tables, sized for the budget. Choose it to compare "
        "architectures, as the study does."
    )


STUDY = Study()
