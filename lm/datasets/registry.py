"""The corpora there are. A new one is a file beside this and a line here."""

from lm.base.registry import Registry
from lm.datasets.known_entropy import KnownEntropy
from lm.datasets.own_text import OwnText
from lm.datasets.ptb import PennTreebank
from lm.datasets.python_reference import PythonReference
from lm.datasets.spec import Dataset
from lm.datasets.tiny_shakespeare import TinyShakespeare
from lm.datasets.wikitext_2 import WikiText2

DATASETS: Registry[Dataset] = Registry(
    "dataset",
    (
        TinyShakespeare(),
        PennTreebank(),
        WikiText2(),
        KnownEntropy(),
        PythonReference(),
        OwnText(),
    ),
)
DEFAULT = TinyShakespeare.name
OWN_TEXT = OwnText.name  # where a path is given and no dataset


def without_files() -> list[str]:
    """The names of the corpora that can be read without any file."""
    return [dataset.name for dataset in DATASETS.values() if not dataset.needs_file]
