"""What the study is about: its architectures, its corpora, its sections."""

from __future__ import annotations

from collections.abc import Sequence

from lm.datasets import DATASETS
from lm.jobs.sweeps import Point

# The coursework is about these four: one that is registered later is no part of it.
ARCHITECTURES = ("linear", "mlp", "attention", "transformer")
CHARACTERS, WORDS = "tiny_shakespeare", ("ptb", "wikitext-2")
CORPORA = (CHARACTERS, *WORDS)
RECIPE: Point = {"preset": "study"}  # which stays as it is when the default recipe changes
ALL_POSITIONS, LAST_POSITION = "all positions", "last position only"

SECTIONS = {  # key -> title, in the order of training
    "search": "The search for learning rates",
    "frontier": "What a FLOP buys, architecture by architecture",
    "knobs": "One hyperparameter at a time",
    "naive": "What the naive version lost",
    "tokenizers": "From characters to words",
    "words": "Words",
    "siblings": "Against the published versions of this coursework",
}


def corpora_here(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """The corpora of the study that are on this machine, of `names` if given."""
    return tuple(
        name for name in CORPORA if name in (names or CORPORA) and DATASETS[name].available
    )
