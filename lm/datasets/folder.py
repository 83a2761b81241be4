"""Corpora that lie in a folder of their name, as train.txt, valid.txt and test.txt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lm.base.files import PROJECT
from lm.datasets.spec import Dataset, Splits
from lm.datasets.textfile import read_text_file, sha256_of

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig


def datasets_dir() -> Path:
    """Where the corpora lie: `LM_DATASETS` if it is set, else `datasets/` in the project."""
    return Path(os.environ.get("LM_DATASETS") or PROJECT / "datasets")


class FolderDataset(Dataset):
    """A corpus of three files, one for each split."""

    needs_file = True

    @property
    def folder(self) -> Path:
        return datasets_dir() / self.name

    @property
    def parts(self) -> tuple[Path, Path, Path]:
        """The files of train, valid and test."""
        folder = self.folder
        return folder / "train.txt", folder / "valid.txt", folder / "test.txt"

    def missing(self) -> Path | None:
        return next((path for path in self.parts if not path.is_file()), None)

    def files(self, data: DataConfig) -> tuple[Path, ...]:
        return self.parts

    def read(self, data: DataConfig) -> Splits:
        train, valid, test = (read_text_file(path) for path in self.parts)
        return Splits(train, valid, test, sha256_of(train + valid + test))
