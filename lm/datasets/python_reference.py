"""The language reference inside every CPython: a real text that needs no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm.datasets.spec import Dataset, DatasetError, Splits
from lm.datasets.textfile import CUT, cut_text, sha256_of

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig


class PythonReference(Dataset):
    """The help topics of the running Python, in the order of their names."""

    name = "python_reference"
    suits_a_first_run = True
    title = "Python reference"
    description = "The language reference that comes with the running Python."
    licence = "PSF License"
    source = "pydoc_data.topics of the running Python; its text varies by version"
    varies = True

    def read(self, data: DataConfig) -> Splits:
        try:
            from pydoc_data.topics import topics
        except ImportError:
            raise DatasetError(
                "This Python comes without its reference (pydoc_data.topics). Use known_entropy, "
                "which needs no file."
            ) from None
        text = "".join(topics[name] for name in sorted(topics))
        return Splits(*cut_text(text, self.name), sha256_of(text), cut=CUT)
