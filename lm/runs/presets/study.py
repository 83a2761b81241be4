"""The study's: sized for the budget, and kept as it is."""

from __future__ import annotations

from lm.runs.presets.sized import Sized


class Study(Sized):
    """Ladders without embeddings of n-grams: its runs compare the architectures alone."""

    name = "study"
    help = "The study's: sized for the budget, embeddings of single tokens; kept as it is."


STUDY = Study()
