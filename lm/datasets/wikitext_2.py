"""WikiText-2: whole Wikipedia articles (Merity et al. 2016)."""

from lm.datasets.folder import FolderDataset
from lm.datasets.spec import Download, RemoteFile

_URL = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2"


class WikiText2(FolderDataset):
    """Words with capitals, numbers and punctuation kept: a vocabulary of 33,278."""

    name = "wikitext-2"
    title = "WikiText-2"
    description = "Two million words of good and featured Wikipedia articles."
    licence = "CC BY-SA"
    source = "https://arxiv.org/abs/1609.07843"
    default_tokenizer = "word"
    download = Download(
        (
            RemoteFile(
                "train.txt",
                f"{_URL}/train.txt",
                10_797_148,
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
            ),
            RemoteFile(
                "valid.txt",
                f"{_URL}/valid.txt",
                1_121_681,
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            ),
            RemoteFile(
                "test.txt",
                f"{_URL}/test.txt",
                1_256_449,
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            ),
        )
    )
