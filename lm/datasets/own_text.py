"""A text of one's own: any file, split 80/10/10 by characters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lm.datasets.spec import Dataset, Splits
from lm.datasets.textfile import cut_text, read_any_text, sha256_of

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig


class OwnText(Dataset):
    """The file that `text_path` names, in whatever encoding it is."""

    name = "text"
    title = "Your own text"
    description = "Any text file, split 80/10/10 by characters."
    licence = "yours to know"
    source = "a file of yours"
    settings = frozenset({"text_path"})
    needs_file = True

    def files(self, data: DataConfig) -> tuple[Path, ...]:
        return (_path(data),)

    def read(self, data: DataConfig) -> Splits:
        text, original = read_any_text(_path(data))
        return Splits(*cut_text(text, str(data.text_path)), sha256_of(text), original)


def _path(data: DataConfig) -> Path:
    assert data.text_path is not None  # DataConfig's rule
    return Path(data.text_path)
