"""What there is to know about one corpus: the base of the files beside this one.

A new corpus is a file with a subclass of `Dataset`, and one line in `registry.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig


class DatasetError(ValueError):
    """A corpus cannot be read or fetched; the message says why and what to do."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a corpus and the only content that is accepted for it."""

    name: str
    url: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Download:
    """The files of a corpus, and the terms to agree to first, if there are any."""

    files: tuple[RemoteFile, ...]
    consent: str | None = None

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)


@dataclass(frozen=True)
class Original:
    """A file that was not UTF-8: what it was read as, and the sha256 of its own bytes."""

    encoding: str  # for people: "Windows-1252"
    sha256: str

    def to_dict(self) -> dict[str, str]:
        """What a run keeps of it."""
        return {"encoding": self.encoding, "sha256": self.sha256}


@dataclass(frozen=True)
class Splits:
    """The texts of a corpus, and what identifies them.

    `sha256` is of the text itself, its parts one after another, as UTF-8: equal texts are equal
    corpora, however their files are encoded. Where a file was not UTF-8, `original` has the
    sha256 of the file.
    """

    train: str = field(repr=False)
    valid: str = field(repr=False)
    test: str | None = field(repr=False)
    sha256: str
    original: Original | None = None
    cut: str = field(default="", repr=False)  # which part of the text is held out: a sentence
    notes: tuple[str, ...] = field(default=(), repr=False)  # what else there is to say of the text


class Dataset(ABC):
    """One corpus: what is said about it, what it needs, and how its text is read."""

    name: str
    title: str
    description: str
    licence: str
    source: str  # where it comes from: a web page, or a phrase

    default_tokenizer: str = "char"
    splits: tuple[str, ...] = ("study",)  # names of its cuts; "study" is one of them
    split_help: str | None = None  # how its cuts differ, where there are several
    testing_splits: frozenset[str] = frozenset()  # cuts whose validation text tests another cut
    drawn_splits: frozenset[str] = frozenset()  # cuts that `seed` draws
    settings: frozenset[str] = frozenset()  # fields of `DataConfig` that it reads
    download: Download | None = None
    needs_file: bool = False  # whether a file must be there before it can be read
    varies: bool = False  # whether the name alone does not say which text it is
    suits_a_first_run: bool = False  # small models learn something of it in seconds
    sample_prompt: str | None = None  # what samples go on from, if it has a typical line

    @property
    def needs_path(self) -> bool:
        """Whether it reads the file that a person names by `text_path`."""
        return "text_path" in self.settings

    def missing(self) -> Path | None:
        """A file that must be there and is not; one that a person names is none of these."""
        return None

    @property
    def available(self) -> bool:
        """Whether it can be read now; a file that a person names counts as there."""
        return self.missing() is None

    def files(self, data: DataConfig) -> tuple[Path, ...]:
        """Every file on which `read` depends, whether it is there or not."""
        return ()

    @abstractmethod
    def read(self, data: DataConfig) -> Splits:
        """Its text, split. Called when nothing is missing. Raises `DatasetError`."""

    def source_nats(self, text: str) -> float | None:
        """-ln p of a split's text under its true source, where that can be computed."""
        return None

    def entropy_per_char(self) -> float | None:
        """The entropy rate of its true source in nats per character, where it can be computed."""
        return None
