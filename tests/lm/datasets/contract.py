"""What every corpus and every tokenizer promises, as checks that raise AssertionError.

The tests hold the registered ones to it; a new one is held by `check_dataset` and
`check_tokenizer` in the same way.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lm.base.settings import ConfigError, settings
from lm.datasets import Dataset, load, load_text
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import TOKENIZERS, Tokenizer, tokenizer_from_dict, train_tokenizer

VERSE = (
    "Full fathom five thy father lies;\nOf his bones are coral made;\n"
    "Those are pearls that were his eyes:\n\n  Nothing of him that doth fade,\n"
    "But doth suffer a sea-change\tInto something rich and strange. 'Tis 1611! Ça va, 海 😀?\n"
)


# --- corpora ------------------------------------------------------------------------------------


def check_dataset(dataset: Dataset, own_file: Path) -> None:
    """A corpus whose files are here. `own_file` is a text, for one that reads `text_path`."""
    path = str(own_file) if dataset.needs_path else None
    check_description(dataset)
    for split in dataset.splits:
        data = DataConfig(dataset=dataset.name, split=split, text_path=path)
        check_texts(dataset, data)
        check_tokens(data)


def check_description(dataset: Dataset) -> None:
    """What is said about a corpus before it is read."""
    for words in (dataset.name, dataset.title, dataset.description, dataset.licence):
        assert words.strip() == words != ""
    assert dataset.source
    assert dataset.default_tokenizer in TOKENIZERS
    assert "study" in dataset.splits
    fields = settings(DataConfig)
    assert dataset.settings <= set(fields)
    beside = {"dataset": dataset.name}
    for name in ("text_path", "n_chars", "seed"):
        assert fields[name].applies(beside) == (name in dataset.settings)
    assert fields["split"].applies(beside) == (len(dataset.splits) > 1)
    assert fields["dataset"].choices.count(dataset.name) == 1
    assert set(dataset.splits) <= set(fields["split"].choices)
    assert (dataset.missing() is None) == dataset.available
    if not dataset.needs_file:
        assert dataset.available
    if dataset.download is not None:
        assert dataset.needs_file
        assert len({file.name for file in dataset.download.files}) == len(dataset.download.files)
        for file in dataset.download.files:
            assert file.url.startswith("https://")
            assert file.n_bytes > 0
            assert len(bytes.fromhex(file.sha256)) == 32
    if not dataset.needs_path:
        with pytest.raises(ConfigError, match="text_path goes with"):
            DataConfig(dataset=dataset.name, text_path="x.txt")


def check_texts(dataset: Dataset, data: DataConfig) -> None:
    """The text is there, always the same, and its files are those that are named."""
    assert DataConfig(**json.loads(data.model_dump_json())) == data
    assert data.tokenizer == dataset.default_tokenizer
    texts = load_text(data)
    assert texts == load_text(data)
    assert texts.train
    assert texts.valid
    assert texts.test is None or texts.test
    assert "\r" not in texts.train + texts.valid + (texts.test or "")
    assert len(bytes.fromhex(texts.sha256)) == 32
    assert any(path.is_file() for path in dataset.files(data)) == dataset.needs_file
    assert "\n" not in repr(texts)
    assert len(repr(texts)) < 500


def check_tokens(data: DataConfig) -> None:
    """Every split is encoded, and a sample has a prompt that can be."""
    corpus, texts = load(data), load_text(data)
    assert corpus.sha256 == texts.sha256
    vocab_size = corpus.tokenizer.vocab_size
    for name, split in corpus.splits.items():
        assert split.n_chars == len(getattr(texts, name))
        assert split.n_tokens >= 2
        assert 0 <= split.token_ids.min() <= split.token_ids.max() < vocab_size
        assert (split.source_nats is None) == (corpus.entropy_per_char is None)
        assert split.source_nats is None or split.source_nats > 0
    assert (corpus.test is None) == (texts.test is None)
    prompt = corpus.sample_prompt()
    assert len(corpus.tokenizer.encode(prompt)) > 0
    assert prompt == corpus.sample_prompt()
    for thing in (corpus, corpus.train, corpus.tokenizer):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 300


# --- tokenizers ---------------------------------------------------------------------------------


def check_tokenizer(kind: type[Tokenizer]) -> None:
    """A tokenizer by its class."""
    assert kind.name
    assert kind.title
    tokenizer = train_tokenizer(kind.name, VERSE, [VERSE.upper()], bpe_vocab_size=300)
    assert isinstance(tokenizer, kind)
    check_round_trip(tokenizer, VERSE)
    check_round_trip(tokenizer, VERSE.upper())
    check_ids(tokenizer)
    check_dict(tokenizer)
    check_sized(kind)


def check_round_trip(tokenizer: Tokenizer, text: str) -> None:
    """A text comes back; words come back with one space between them, the rest to the letter."""
    token_ids = tokenizer.encode(text)
    again = tokenizer.decode(token_ids)
    assert tokenizer.encode(again).tolist() == token_ids.tolist()
    if not tokenizer.separator:
        assert again == text
        assert not tokenizer.unknown(text)


def check_ids(tokenizer: Tokenizer) -> None:
    """Ids are int64, of one dimension and below `vocab_size`; each can be shown."""
    for text in ("", VERSE):
        token_ids = tokenizer.encode(text)
        assert token_ids.dtype == np.int64
        assert token_ids.ndim == 1
        assert (len(token_ids) == 0) == (text == "")
    assert 0 <= token_ids.min() <= token_ids.max() < tokenizer.vocab_size
    assert all(tokenizer.token_text(token_id) for token_id in range(tokenizer.vocab_size))
    assert tokenizer.decode([]) == ""


def check_dict(tokenizer: Tokenizer) -> None:
    """It is its dict, and does not change."""
    values = json.loads(json.dumps(tokenizer.to_dict()))
    assert values["kind"] == tokenizer.name
    copy = tokenizer_from_dict(values)
    assert copy == tokenizer
    assert hash(copy) == hash(tokenizer)
    assert copy.encode(VERSE).tolist() == tokenizer.encode(VERSE).tolist()
    for name in set(values) - {"kind"}:
        for wrong in (None, 7, [7]):
            with pytest.raises(ValueError, match="Not a tokenizer"):
                tokenizer_from_dict({**values, name: wrong})
    with pytest.raises(dataclasses.FrozenInstanceError):
        tokenizer.vocabulary = ()


def check_sized(kind: type[Tokenizer]) -> None:
    """The number of tokens is heeded by those alone that say so."""
    sizes = [train_tokenizer(kind.name, VERSE * 3, (), size).vocab_size for size in (280, 300)]
    assert sizes == [280, 300] if kind.sized else sizes[0] == sizes[1]
    beside = {"dataset": "known_entropy", "tokenizer": kind.name}
    assert settings(DataConfig)["bpe_vocab_size"].applies(beside) == kind.sized
