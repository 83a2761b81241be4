"""Fetching corpora from their public sources, whole and verified or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from lm.base.files import replacing
from lm.datasets.folder import datasets_dir
from lm.datasets.registry import DATASETS, without_files
from lm.datasets.spec import DatasetError, RemoteFile

Progress = Callable[[int, int], None]  # bytes done, bytes in all


def downloadable() -> list[str]:
    """The names of the corpora that can be downloaded."""
    return [dataset.name for dataset in DATASETS.values() if dataset.download is not None]


def download(
    name: str, consent: bool = False, progress: Progress = lambda done, total: None
) -> list[Path]:
    """Fetch a corpus into `datasets_dir()`; files that are there already are not fetched again.

    Raises `DatasetError`: for a corpus that has no download, without the consent that one needs,
    and when fetching fails, in which case no part of a file is left behind.
    """
    dataset = DATASETS.get(name)
    if dataset is not None and not dataset.needs_file:
        raise DatasetError(f"{name} needs no download.")
    source = dataset.download if dataset is not None else None
    if source is None:
        raise DatasetError(f"{name} cannot be downloaded; these can: {', '.join(downloadable())}.")
    if source.consent and not consent:
        raise DatasetError(
            f"{source.consent}, and say so with `python -m lm data download {name} --consent`."
        )
    total, done = source.n_bytes, 0
    paths: list[Path] = []
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
    digest, n_bytes = hashlib.sha256(), 0
    by_hand = (
        f"Try again, or put the file at {path} by hand; "
        f"{' and '.join(without_files())} need no file."
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, shared=True) as target:
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
