"""Corpora: what there is, how it is fetched, and its text as tokens."""

from lm.datasets.catalogue import DATASETS, DatasetError, DatasetInfo, available, datasets_dir
from lm.datasets.corpus import Corpus, Split, Splits, load, load_text
from lm.datasets.download import DOWNLOADS, Download, RemoteFile, download
from lm.datasets.textfile import MAX_BYTES, read_text_file, save_text

__all__ = [
    "DATASETS",
    "DOWNLOADS",
    "MAX_BYTES",
    "Corpus",
    "DatasetError",
    "DatasetInfo",
    "Download",
    "RemoteFile",
    "Split",
    "Splits",
    "available",
    "datasets_dir",
    "download",
    "load",
    "load_text",
    "read_text_file",
    "save_text",
]
