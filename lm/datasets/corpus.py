"""From a `DataConfig` to text, and to the token ids of its splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from lm.datasets import known_entropy
from lm.datasets.catalogue import TINY_SHAKESPEARE_SHA256, DatasetError, corpus_files
from lm.datasets.config import DataConfig
from lm.datasets.textfile import cut_text, read_text_file
from lm.datasets.tokenizers import Tokenizer, train_tokenizer


@dataclass(frozen=True)
class Splits:
    """The texts of a corpus, and the sha256 of it whole (of its files, one after another)."""

    train: str
    valid: str
    test: str | None
    sha256: str


@dataclass(frozen=True, eq=False)
class Split:
    """One split as tokens."""

    token_ids: np.ndarray  # int64, one dimension
    n_chars: int
    spelling_nats: float = 0.0  # to spell the words that became <unk>
    source_nats: float | None = None  # known_entropy: -ln p of the text under its true source

    @property
    def n_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def ideal_loss(self) -> float | None:
        """known_entropy: nats per token of a model that equals the source."""
        return None if self.source_nats is None else self.source_nats / self.n_tokens


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text, split and encoded. The nanogpt split has no test."""

    data: DataConfig
    tokenizer: Tokenizer
    train: Split
    valid: Split
    test: Split | None
    sha256: str

    @property
    def splits(self) -> dict[str, Split]:
        """The splits there are, by name."""
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: split for name, split in parts.items() if split is not None}

    @property
    def entropy_per_char(self) -> float | None:
        """known_entropy: the entropy rate of its source, nats per character."""
        is_known = self.data.dataset == "known_entropy"
        return known_entropy.entropy_per_char() if is_known else None


def load_text(data: DataConfig) -> Splits:
    """The text of a corpus, split. Raises `DatasetError`."""
    if data.dataset == "tiny_shakespeare":
        return _tiny_shakespeare(data.split)
    if data.dataset == "known_entropy":
        return _known_entropy(data.n_chars, data.seed)
    if data.dataset == "python_reference":
        text = _python_reference()
        return Splits(*cut_text(text, data.dataset), _sha256(text))
    if data.dataset == "text":
        assert data.text_path is not None  # DataConfig's rule
        text = read_text_file(data.text_path)
        return Splits(*cut_text(text, data.text_path), _sha256(text))
    return _three_files(data.dataset)


def load(data: DataConfig, tokenizer: Tokenizer | None = None) -> Corpus:
    """A corpus as tokens, by the tokenizer of a run or by one made from the text.

    Raises `DatasetError`, or `UnknownTokenError` if a given tokenizer does not fit the text.
    """
    texts = load_text(data)
    if tokenizer is None:
        tokenizer = train_tokenizer(
            data.tokenizer,
            texts.train,
            [texts.valid, texts.test or ""],
            data.bpe_vocab_size,
        )

    def encode(part: str, text: str) -> Split:
        token_ids = tokenizer.encode(text)
        if len(token_ids) < 2:
            raise DatasetError(
                f"The {part} split of {data.text_path or data.dataset} has {len(token_ids)} "
                f"token{'s'[: len(token_ids) != 1]} with tokenizer {tokenizer.kind}; it needs two "
                "or more. Give a longer text, or choose another tokenizer."
            )
        is_known = data.dataset == "known_entropy"
        return Split(
            token_ids,
            len(text),
            tokenizer.spelling_nats(text),
            known_entropy.source_nats(text) if is_known else None,
        )

    return Corpus(
        data,
        tokenizer,
        encode("train", texts.train),
        encode("valid", texts.valid),
        None if texts.test is None else encode("test", texts.test),
        texts.sha256,
    )


def _tiny_shakespeare(split: str) -> Splits:
    files = corpus_files("tiny_shakespeare")
    if len(files) == 3:
        if split == "nanogpt":
            raise DatasetError(
                f"The nanogpt split is cut from the whole of Tiny Shakespeare, which needs "
                f"{files[0].with_name('input.txt')}. Fetch it with "
                "`python -m lm data download tiny_shakespeare`."
            )
        return _three_files("tiny_shakespeare")
    text = read_text_file(files[0])
    sha256 = _sha256(text)
    if sha256 != TINY_SHAKESPEARE_SHA256:
        raise DatasetError(
            f"{files[0]} is not the Tiny Shakespeare that the splits are cut from (its sha256 is "
            f"{sha256[:12]}…, not {TINY_SHAKESPEARE_SHA256[:12]}…). Fetch it again with "
            "`python -m lm data download tiny_shakespeare`, or use yours as a text of your own."
        )
    if split == "nanogpt":  # nanoGPT's data/shakespeare_char/prepare.py: the first 90 %
        return Splits(text[:1_003_854], text[1_003_854:], None, sha256)
    # The coursework's files, which leave out the newline between two splits.
    return Splits(text[:892_117], text[892_118:1_003_787], text[1_003_788:], sha256)


def _three_files(name: str) -> Splits:
    files = corpus_files(name)
    train, valid, test = (read_text_file(path) for path in files)
    return Splits(train, valid, test, _sha256(train + valid + test))


def _known_entropy(n_chars: int, seed: int) -> Splits:
    """Cut at sentence ends, so that the source's probability of each split is exact."""
    text = known_entropy.generate(n_chars, seed)
    first = text.rindex("\n", 0, len(text) * 8 // 10) + 1
    second = text.rindex("\n", 0, len(text) * 9 // 10) + 1
    return Splits(text[:first], text[first:second], text[second:], _sha256(text))


def _python_reference() -> str:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DatasetError(
            "This Python comes without its reference (pydoc_data.topics). Use known_entropy, "
            "which needs no file."
        ) from None
    return "".join(topics[name] for name in sorted(topics))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
