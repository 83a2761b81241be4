"""Texts to choose settings by: no character of them tests anything that is reported.

They differ in size, language and alphabet, so that settings that do well on all of them may do well
on an unseen text. Tiny Shakespeare and WikiText-2 are cut from their train splits.
"""

from __future__ import annotations

import random
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from lm.base.files import PROJECT
from lm.datasets import Corpus, load, load_text
from lm.datasets.config import DataConfig

_FOLDER = tempfile.TemporaryDirectory(prefix="texts-")  # lasts as long as this process


def _as_own_text(name: str, content: str) -> DataConfig:
    """A text as a person gives one of their own: a file, of which 80 % train and 10 % validate."""
    path = Path(_FOLDER.name) / f"{name}.txt"
    path.write_text(content, encoding="utf-8")
    return DataConfig(dataset="text", text_path=str(path), tokenizer="char")


def _cut(dataset: str, n_chars: int) -> DataConfig:
    train = load_text(DataConfig(dataset=dataset)).train
    return _as_own_text(f"{dataset}-{n_chars}", train[:n_chars])


def _own_code() -> DataConfig:
    """This project's, as it is now."""
    folders = [PROJECT / name for name in ("lm", "pages", "bench", "tests")]
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return _as_own_text("own_code", "\n".join(path.read_text("utf-8") for path in files))


def _many_characters() -> DataConfig:
    """Lines of a character and its name in Unicode's tables, in a random order, many twice."""
    named = [chr(n) for n in range(0xA0, 0x2500) if unicodedata.name(chr(n), "")]
    chosen = random.Random(0).choices(named, k=4_000)
    lines = (f"{character} {unicodedata.name(character).lower()}" for character in chosen)
    return _as_own_text("many_characters", "\n".join(lines))


TEXTS: dict[str, Callable[[], DataConfig]] = {
    "python_reference": partial(DataConfig, dataset="python_reference"),
    "python_reference, bytes": partial(DataConfig, dataset="python_reference", tokenizer="byte"),
    "python_reference, bpe": partial(DataConfig, dataset="python_reference", tokenizer="bpe"),
    "known_entropy": partial(DataConfig, dataset="known_entropy"),
    **{
        f"tiny_shakespeare, {n // 1000}k": partial(_cut, "tiny_shakespeare", n)
        for n in (10_000, 30_000, 60_000, 100_000, 300_000)
    },
    "tiny_shakespeare": partial(DataConfig, dataset="tiny_shakespeare"),
    "ptb, 60k": partial(_cut, "ptb", 60_000),
    "ptb": partial(DataConfig, dataset="ptb", tokenizer="char"),
    "wikitext-2, 60k": partial(_cut, "wikitext-2", 60_000),
    "wikitext-2, 3000k": partial(_cut, "wikitext-2", 3_000_000),
    "wikitext-2": partial(DataConfig, dataset="wikitext-2", tokenizer="char"),
    "own_code": _own_code,
    "many_characters": _many_characters,
}


@cache
def development_text(name: str) -> Corpus:
    """A text by its name in `TEXTS`, without a test split. Raises `SystemExit` for another."""
    if name not in TEXTS:
        sys.exit(f"A text is one of {', '.join(TEXTS)}. Received: {name}.")
    return load(TEXTS[name](), for_choice=True)
