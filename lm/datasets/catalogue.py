"""The corpora there are: what each is, where it comes from and where its files lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lm.base.files import PROJECT


class DatasetError(ValueError):
    """A corpus cannot be read or fetched; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What there is to know about a corpus before it is read."""

    name: str
    title: str
    description: str
    licence: str
    source: str  # where it comes from: a web page, or words
    default_tokenizer: str
    needs_file: bool
    splits: tuple[str, ...] = ("study",)


DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="tiny_shakespeare",
            title="Tiny Shakespeare",
            description="1.1 million characters of Shakespeare's plays, 65 of them distinct.",
            licence="public domain",
            source="https://github.com/karpathy/char-rnn",
            default_tokenizer="char",
            needs_file=True,
            splits=("study", "nanogpt"),
        ),
        DatasetInfo(
            name="ptb",
            title="Penn Treebank",
            description="A million words of the Wall Street Journal, in Mikolov's preprocessing.",
            licence="LDC User Agreement (not free to redistribute)",
            source="https://catalog.ldc.upenn.edu/LDC99T42",
            default_tokenizer="word",
            needs_file=True,
        ),
        DatasetInfo(
            name="wikitext-2",
            title="WikiText-2",
            description="Two million words of good and featured Wikipedia articles.",
            licence="CC BY-SA",
            source="https://arxiv.org/abs/1609.07843",
            default_tokenizer="word",
            needs_file=True,
        ),
        DatasetInfo(
            name="known_entropy",
            title="Known entropy",
            description="An invented language of any length whose exact entropy is known.",
            licence="MIT, as this project",
            source="generated from a seed",
            default_tokenizer="char",
            needs_file=False,
        ),
        DatasetInfo(
            name="python_reference",
            title="Python reference",
            description="The language reference that comes with the running Python.",
            licence="PSF License",
            source="pydoc_data.topics of the running Python; its text varies by version",
            default_tokenizer="char",
            needs_file=False,
        ),
        DatasetInfo(
            name="text",
            title="Your own text",
            description="Any UTF-8 text file, split 80/10/10 by characters.",
            licence="yours to know",
            source="a file of yours",
            default_tokenizer="char",
            needs_file=True,
        ),
    )
}

SPLIT_FILES = ("train.txt", "valid.txt", "test.txt")
TINY_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def datasets_dir() -> Path:
    """Where the corpora lie: `LM_DATASETS` if it is set, else `datasets/` in the project."""
    return Path(os.environ.get("LM_DATASETS") or PROJECT / "datasets")


def corpus_files(name: str) -> tuple[Path, ...]:
    """The files of a corpus that needs some: one `input.txt`, or train, valid and test.

    Raises `DatasetError` naming the file that is missing.
    """
    folder = datasets_dir() / name
    whole = folder / "input.txt"
    if name == "tiny_shakespeare" and whole.is_file():
        return (whole,)
    parts = tuple(folder / file for file in SPLIT_FILES)
    missing = [path for path in parts if not path.is_file()]
    if not missing:
        return parts
    if name == "tiny_shakespeare" and len(missing) == len(parts):
        missing = [whole]
    raise DatasetError(
        f"{DATASETS[name].title} is not here: {missing[0]} is missing. "
        f"Fetch it with `python -m lm data download {name}`, put the file there by hand, "
        "or use known_entropy or python_reference, which need no file."
    )


def available(name: str) -> bool:
    """Whether a corpus can be read now; "text" can, given a file."""
    if name == "text" or not DATASETS[name].needs_file:
        return True
    try:
        corpus_files(name)
    except DatasetError:
        return False
    return True
