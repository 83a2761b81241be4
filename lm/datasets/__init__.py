"""Corpora: what there is, how it is fetched, and its text as tokens."""

from lm.datasets.corpus import Corpus, Split, load, load_text
from lm.datasets.download import download, downloadable
from lm.datasets.folder import datasets_dir
from lm.datasets.registry import DATASETS, DEFAULT, OWN_TEXT
from lm.datasets.spec import Dataset, DatasetError, Download, Original, RemoteFile, Splits
from lm.datasets.textfile import MAX_BYTES, DamagedTextError, read_text_file, save_text

__all__ = [
    "DATASETS",
    "DEFAULT",
    "MAX_BYTES",
    "OWN_TEXT",
    "Corpus",
    "DamagedTextError",
    "Dataset",
    "DatasetError",
    "Download",
    "Original",
    "RemoteFile",
    "Split",
    "Splits",
    "datasets_dir",
    "download",
    "downloadable",
    "load",
    "load_text",
    "read_text_file",
    "save_text",
]
