"""Tiny Shakespeare: 40,000 lines of Shakespeare's plays, the field's first text for characters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lm.datasets.folder import FolderDataset
from lm.datasets.spec import DatasetError, Download, RemoteFile, Splits
from lm.datasets.textfile import read_text_file, sha256_of

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig

FILE = RemoteFile(
    "input.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


class TinyShakespeare(FolderDataset):
    """One file, cut in two ways; the coursework's three files give the same study split."""

    name = "tiny_shakespeare"
    title = "Tiny Shakespeare"
    description = "1.1 million characters of Shakespeare's plays, 65 of them distinct."
    licence = "public domain"
    source = "https://github.com/karpathy/char-rnn"
    splits = ("study", "nanogpt")
    testing_splits = frozenset({"nanogpt"})  # all but 66 of its characters are the study's test
    split_help = (
        "study: train, valid and test as the coursework cut them. nanogpt: train and validation as "
        "nanoGPT does, without a test split."
    )
    suits_a_first_run = True
    download = Download((FILE,))
    sample_prompt = "ROMEO:"

    @property
    def whole(self) -> Path:
        return self.folder / FILE.name

    def missing(self) -> Path | None:
        if self.whole.is_file():
            return None
        nothing = not any(path.is_file() for path in self.parts)
        return self.whole if nothing else super().missing()

    def files(self, data: DataConfig) -> tuple[Path, ...]:
        return (self.whole, *self.parts)

    def read(self, data: DataConfig) -> Splits:
        path = self.whole
        if not path.is_file():
            if data.split == "nanogpt":
                raise DatasetError(
                    f"The nanogpt split is cut from the whole of {self.title}, which needs {path}. "
                    f"Fetch it with `python -m lm data download {self.name}`."
                )
            return super().read(data)
        text = read_text_file(path)
        sha256 = sha256_of(text)
        if sha256 != FILE.sha256:
            raise DatasetError(
                f"{path} is not the {self.title} that the splits are cut from (its sha256 is "
                f"{sha256[:12]}…, not {FILE.sha256[:12]}…). Fetch it again with `python -m lm data "
                f"download {self.name}`, or use yours as a text of your own."
            )
        if data.split == "nanogpt":  # nanoGPT's data/shakespeare_char/prepare.py: the first 90 %
            return Splits(text[:1_003_854], text[1_003_854:], None, sha256)
        # The coursework's files, which leave out the newline between two splits.
        return Splits(text[:892_117], text[892_118:1_003_787], text[1_003_788:], sha256)
