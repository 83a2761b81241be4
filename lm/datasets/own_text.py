"""A text of one's own: any file, split 80/10/10 by its characters or, for a list, by its lines."""

from __future__ import annotations

import itertools
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lm.datasets.spec import Dataset, DatasetError, Splits
from lm.datasets.textfile import CUT, cut_text, read_any_text, sha256_of

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig

BY_LINES = "lines"
LOOKED_AT = 10_000  # lines, to tell whether a text is a list
MOST_BLANK = 0.01  # of the lines of a list
ITEM_CHARS = 60  # of nearly every line of a list
ITEM_WORDS = 3  # of the usual line of a list that is not sorted


class OwnText(Dataset):
    """The file that `text_path` names, in the encoding that `encoding` names."""

    name = "text"
    title = "Your own text"
    description = "Any text file, split 80/10/10."
    licence = "yours to know"
    source = "a file of yours"
    splits = ("study", BY_LINES)
    split_help = (
        "study: the first 80 % of the characters train, the last 10 % test. lines: the same of the "
        "lines, after they were shuffled once, for a list with one item a line."
    )
    drawn_splits = frozenset({BY_LINES})
    settings = frozenset({"text_path", "encoding"})
    needs_file = True

    def files(self, data: DataConfig) -> tuple[Path, ...]:
        return (_path(data),)

    def read(self, data: DataConfig) -> Splits:
        reading = read_any_text(_path(data), data.encoding)
        text, notes, cut = reading.text, reading.notes, CUT
        parts = cut_text(text, str(data.text_path))
        if data.split == BY_LINES:
            parts = cut_lines(text, _path(data).name, data.seed)
            text = "".join(parts)
            cut = "A tenth of the lines, drawn at random, is the test part, another validation."
        elif is_list(text):
            notes = (*notes, ADVICE)
        return Splits(*parts, sha256_of(text), reading.original, cut, notes)


ADVICE = (
    f"This text looks like a list with one item a line, whose last items may be unlike the others. "
    f"With split={BY_LINES} its lines are shuffled once before they are divided."
)


def cut_lines(text: str, name: str, seed: int) -> tuple[str, str, str]:
    """Train, valid and test: 80, 10 and 10 % of the lines, in an order that `seed` draws."""
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    if len(lines) < 10:
        raise DatasetError(
            f"{name} has {len(lines)} line{'s'[: len(lines) != 1]}, too few to split by lines. "
            "Give a list of a hundred lines or more, or choose split=study."
        )
    keys: list[float] = np.random.default_rng(seed).random(len(lines)).tolist()
    shuffled = [line for _, line in sorted(zip(keys, lines, strict=True))]
    first, second = len(lines) * 8 // 10, len(lines) * 9 // 10
    train, valid, test = shuffled[:first], shuffled[first:second], shuffled[second:]
    return "".join(train), "".join(valid), "".join(test)


def is_list(text: str) -> bool:
    """Whether a text is a list, one item a line: short lines that are sorted or of few words."""
    lines = text[: LOOKED_AT * ITEM_CHARS].split("\n")[:LOOKED_AT]
    lines = lines[:-1]  # which may be cut off
    items = [line for line in lines if line.strip()]
    if len(items) < 100 or len(items) < (1 - MOST_BLANK) * len(lines):
        return False
    if len(set(items)) < len(items) / 2:  # a text that repeats itself
        return False
    if sum(len(line) <= ITEM_CHARS for line in items) < 0.95 * len(items):
        return False
    in_order = sum(a <= b for a, b in itertools.pairwise(items))
    n_words = statistics.median(len(re.findall(r"[^\W\d_]+", line)) for line in items)
    return n_words <= ITEM_WORDS or in_order >= 0.95 * len(items)


def _path(data: DataConfig) -> Path:
    assert data.text_path is not None  # DataConfig's rule
    return Path(data.text_path)
