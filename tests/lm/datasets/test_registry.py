"""Each registered corpus and tokenizer keeps its contract; so does a toy that only registers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lm.base.settings import ConfigError
from lm.cli import main
from lm.datasets import DATASETS, DEFAULT, OWN_TEXT, DatasetError, load
from lm.datasets.config import DataConfig
from lm.datasets.textfile import sha256_of
from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import RunStore
from tests.lm.datasets.contract import VERSE, check_dataset, check_tokenizer, check_tokens
from tests.lm.datasets.toys import NibbleTokenizer, Notes, Rabbits


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.txt"
    path.write_text(VERSE * 9, "utf-8")
    return path


# --- what is registered ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_corpus_keeps_the_contract(name: str, own_file: Path, request) -> None:
    dataset = DATASETS[name]
    if dataset.needs_file and not dataset.needs_path:
        request.getfixturevalue("real_corpora")
    check_dataset(dataset, own_file)


@pytest.mark.parametrize("name", list(TOKENIZERS))
def test_every_tokenizer_keeps_the_contract(name: str) -> None:
    check_tokenizer(TOKENIZERS[name])


@pytest.mark.parametrize("name", list(TOKENIZERS))
def test_every_corpus_goes_with_every_tokenizer(name: str, own_file: Path) -> None:
    check_tokens(DataConfig(dataset="text", text_path=str(own_file), tokenizer=name))
    check_tokens(DataConfig(dataset="known_entropy", n_chars=20_000, tokenizer=name))


def test_the_names_that_the_registry_gives_are_of_entries() -> None:
    assert DEFAULT in DATASETS
    assert DATASETS[OWN_TEXT].needs_path
    assert DataConfig().dataset == DEFAULT


# --- toys -----------------------------------------------------------------------------------------


@pytest.fixture
def toys() -> Iterator[None]:
    """A corpus and a tokenizer of their own, by registering them and nothing else."""
    with DATASETS.including(Rabbits()), TOKENIZERS.including(NibbleTokenizer):
        yield


def test_a_toy_of_each_keeps_the_contract(toys, own_file: Path) -> None:
    check_dataset(DATASETS["rabbits"], own_file)
    check_tokenizer(NibbleTokenizer)
    check_tokens(DataConfig(dataset="text", text_path=str(own_file), tokenizer="nibble"))


def test_a_toy_is_a_choice_like_any_other(toys) -> None:
    corpus = load(DataConfig(dataset="rabbits", split="halves", seed=1))
    assert corpus.tokenizer == NibbleTokenizer()
    assert corpus.test is None
    with pytest.raises(ConfigError, match=r"text, rabbits\. Received: 'rabbit'"):
        DataConfig(dataset="rabbit")
    with pytest.raises(ConfigError, match=r"bpe, nibble\. Received: 'nibbles'"):
        DataConfig(tokenizer="nibbles")
    with pytest.raises(ConfigError, match="split 'halves' belongs to dataset 'rabbits'"):
        DataConfig(dataset="ptb", split="halves")


def test_without_the_toy_its_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="dataset must be one of"):
        DataConfig(dataset="rabbits")


def test_the_command_line_lists_a_toy_and_trains_on_it(toys, tmp_path, capsys) -> None:
    assert main(["data", "list"]) == 0
    assert any(
        line.split()[:2] == ["rabbits", "yes"] for line in capsys.readouterr().out.splitlines()
    )
    arguments = ["--dataset", "rabbits", "--steps", "2", "--runs-dir", str(tmp_path)]
    assert (
        main(["train", "--architecture", "linear", *arguments, "--set", "model.context_length=8"])
        == 0
    )
    (run,) = RunStore(tmp_path).list()
    assert run.state == "complete"
    assert run.tokenizer() == NibbleTokenizer()
    assert not run.samples().empty


def test_an_old_text_of_long_words_is_trained_on_by_words(tmp_path: Path, capsys) -> None:
    line = "Wärmekraftmaschinenhersteller\n"
    text = tmp_path / "old.txt"
    text.write_bytes((line * 400).encode("cp1252"))
    arguments = ["--text", str(text), "--tokenizer", "word", "--steps", "2"]
    arguments += ["--architecture", "linear", "--set", "model.context_length=8"]
    assert main(["train", *arguments, "--runs-dir", str(tmp_path / "runs")]) == 0
    assert "is read as Windows-1252" in capsys.readouterr().err
    (run,) = RunStore(tmp_path / "runs").list()
    assert run.state == "complete"
    assert set(run.samples()["prompt"]) == {line.strip()}
    assert run.facts["sha256"] == sha256_of(line * 400)
    assert run.facts["original"] == {
        "encoding": "Windows-1252",
        "sha256": hashlib.sha256(text.read_bytes()).hexdigest(),
    }


# --- a corpus in a folder of its own --------------------------------------------------------------


def test_a_corpus_in_a_folder_needs_its_name_alone(own_file, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))
    with DATASETS.including(Notes()) as notes:
        assert not notes.available
        with pytest.raises(DatasetError, match=r"notes.train\.txt is missing\. Put the file there"):
            load(DataConfig(dataset="notes"))
        (tmp_path / "notes").mkdir()
        for path in notes.parts:
            path.write_text(VERSE * 3, "utf-8")
        check_dataset(notes, own_file)
