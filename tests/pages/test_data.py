"""The Data page: corpora to the letter, what guessing buys, uploads and downloads that can fail."""

import math
import os
import socket
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lm import datasets
from lm.datasets import DATASETS
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram
from lm.datasets.tokenizers import TOKENIZERS
from pages.common import corpora
from tests.lm.datasets.toys import NibbleTokenizer, Rabbits
from tests.pages.conftest import widget

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the page on a corpus, as a script, without any corpus files."""
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("LM_DATASETS", str(tmp_path / "datasets"))

    def open_page(dataset: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page("pages/data.py")
        app.query_params["dataset"] = dataset
        app.run()
        assert not app.exception, app.exception
        return app

    return open_page


def test_guessing_is_what_the_baselines_say(data) -> None:
    app = data("known_entropy")
    app.number_input(key="data-n_chars").set_value(5_000).run()
    corpus = datasets.load(DataConfig(dataset="known_entropy", n_chars=5_000))
    table = app.table[1].value
    bigram = ngram.baselines(corpus)["bigram"]["test"]
    assert table.iloc[2]["Loss (nats per token)"] == f"{bigram.loss:.3f}"
    assert table.iloc[0]["Perplexity"] == f"{corpus.tokenizer.vocab_size:,.1f}"
    perfect = corpus.test.source_nats / corpus.test.n_tokens
    assert table.iloc[4]["Loss (nats per token)"] == f"{perfect:.3f}"
    assert table.iloc[4]["Bits per character"] == f"{perfect / math.log(2):.3f}"
    assert app.metric[0].value == f"{corpus.tokenizer.vocab_size} tokens"
    counts = app.table[0].value.set_index("Split")["Tokens"]
    assert counts["train"] == f"{corpus.train.n_tokens:,}"


def test_typed_text_becomes_tokens_or_a_sentence(data) -> None:
    app = data("known_entropy")
    app.text_area(key="typed-known_entropy").set_value("olu su.").run()
    assert any("7 tokens for 7 characters" in caption.value for caption in app.caption)
    app.text_area(key="typed-known_entropy").set_value("<script>Ω</script>").run()
    assert "not in this model's alphabet" in app.warning[0].value


def test_unknown_corpus_in_the_url_gives_the_default(data) -> None:
    app = data("zzz")
    assert widget(app.segmented_control, "corpus").value == "known_entropy"
    assert app.query_params.get("dataset") is None


def test_ptb_is_fetched_after_consent_alone_and_no_network_is_a_sentence(data, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    app = data("ptb")
    assert any("Linguistic Data Consortium" in text.value for text in app.markdown)
    assert app.button(key="download").disabled
    app.checkbox[0].check().run()
    assert not app.button(key="download").disabled
    monkeypatch.setattr(
        "pages.common.shell.PagesManager", type("P", (), {"uses_pages_directory": False})
    )
    app.button(key="download").click().run()
    assert not app.exception
    assert "Could not download" in app.error[0].value
    widget(app.segmented_control, "corpus").set_value("known_entropy").run()
    assert app.table  # the app goes on


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that uploads go to, for what runs in this process."""
    folder = tmp_path / "uploads"
    monkeypatch.setattr(corpora, "UPLOADS", folder)
    real = datasets.save_text
    monkeypatch.setattr(datasets, "save_text", lambda name, content: real(name, content, folder))
    return folder


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"x", "too few"),
        (b"\x00a" * 20, "NUL byte"),
        ("café ".encode() * 20 + b"\xe9", "not valid UTF-8"),
    ],
    ids=["empty", "short", "utf-16 without its mark", "damaged utf-8"],
)
def test_upload_that_cannot_be_read_is_a_sentence(data, uploads, content, sentence) -> None:
    app = data("text")
    app.file_uploader(key="upload").set_value(("odd.txt", content, "text/plain")).run()
    assert not app.exception
    assert sentence in app.error[0].value.replace("\\", "")
    assert not uploads.exists() or not os.listdir(uploads)


def test_what_an_old_text_was_taken_for_is_said(data, uploads) -> None:
    content = ("Der Bär läuft über die Straße; schön.\n" * 200).encode("cp1252")
    app = data("text")
    app.file_uploader(key="upload").set_value(("alt.txt", content, "text/plain")).run()
    assert not app.exception
    assert any("is read as Windows-1252" in info.value.replace("\\", "") for info in app.info)
    assert app.code[0].value.startswith("Der Bär läuft über die Straße")
    assert next(uploads.iterdir()).read_bytes() == content


def test_a_toy_corpus_and_tokenizer_are_shown_like_any_other(data) -> None:
    with DATASETS.including(Rabbits()), TOKENIZERS.including(NibbleTokenizer):
        app = data("rabbits")
        assert widget(app.segmented_control, "corpus").value == "rabbits"
        assert app.segmented_control(key="tokenizer-rabbits").value == "nibble"
        assert app.segmented_control(key="split").options == ["study", "halves"]
        before = app.metric[0].value, app.code[0].value
        app.segmented_control(key="split").set_value("halves").run()
        app.number_input(key="data-seed").set_value(1).run()
        assert not app.exception
        assert before == ("16 tokens", app.code[0].value)
        assert list(app.table[0].value["Split"]) == ["train", "valid"]


def test_upload_is_shown_to_the_letter_and_can_be_trained_on(data, uploads) -> None:
    text = "Cost: $ 5 *and* <b>$ 6</b> 🙂\r\n" * 200
    app = data("text")
    app.file_uploader(key="upload").set_value(("my text.txt", text.encode(), "text/plain")).run()
    assert not app.error
    assert app.code[0].value.startswith("Cost: $ 5 *and* <b>$ 6</b> 🙂\n")
    (file,) = corpora.uploads()
    assert file.startswith("my_text-")
    assert corpora.text_title(file) == "my_text.txt"
    twin = corpora.UPLOADS / "my_text-01234567.txt"  # another text of the same name
    twin.write_text("x" * 100)
    assert corpora.text_title(file) == file
    twin.unlink()
    app.query_params.clear()
    app.switch_page("pages/train.py")
    app.query_params["dataset"] = "text"
    app.run()
    assert not app.exception
    assert widget(app.selectbox, "dataset").value == "text"
    assert widget(app.selectbox, "text").value == file
    assert not app.button(key="start").disabled
