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
from pages.common import corpora, links
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
    app.text_area[0].set_value("olu su.").run()
    assert any("7 tokens for 7 characters" in caption.value for caption in app.caption)
    app.text_area[0].set_value("<script>Ω</script>").run()
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
    monkeypatch.setattr(
        datasets, "save_text", lambda name, content, **how: real(name, content, folder, **how)
    )
    return folder


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"x", "too few"),
        (b"\x00a" * 20, "NUL byte"),
        (
            "café ".encode() * 20 + b"\xe9",
            "ends inside a character: line 1 breaks off after byte 0xE9",
        ),
        (b"\x1f\x8b" * 20, "is a gzip archive"),
    ],
    ids=["empty", "short", "utf-16 without its mark", "damaged utf-8", "gzip"],
)
def test_upload_that_cannot_be_read_is_a_sentence(data, uploads, content, sentence) -> None:
    app = data("text")
    app.file_uploader(key="upload").set_value(("odd.txt", content, "text/plain")).run()
    assert not app.exception
    error = app.error[0].value.replace("\\", "")
    assert sentence in error
    assert error.endswith("It was not added.")
    assert not uploads.exists() or not os.listdir(uploads)


def test_what_an_old_text_was_taken_for_is_said(data, uploads) -> None:
    content = ("Der Bär läuft über die Straße; schön.\n" * 200).encode("cp1252")
    app = data("text")
    app.file_uploader(key="upload").set_value(("alt.txt", content, "text/plain")).run()
    assert not app.exception
    assert any("is read as Windows-1252" in info.value.replace("\\", "") for info in app.info)
    assert app.code[0].value.startswith("Der Bär läuft über die Straße")
    assert next(uploads.iterdir()).read_bytes() == content


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader[0].set_value((name, content, "text/plain")).run()
    assert not app.exception, app.exception
    return app


def test_damaged_text_may_be_read_with_its_damage_replaced(data, uploads) -> None:
    upload(data("text"), "whole.txt", b"An undamaged text.\n" * 40)
    content = "Ça va? Très bien.\n".encode() * 40 + b"\xe9t\xc3\xa9\n"
    app = upload(data("text"), "odd.txt", content)
    assert "what stands below is another text" in app.error[0].value
    assert app.code[0].value.startswith("An undamaged text")
    app.button(key="replace").click().run()
    assert not app.exception
    assert not app.error
    assert app.code[0].value.startswith("Ça va?")
    (file,) = (path for path in uploads.iterdir() if path.name.startswith("odd"))
    assert app.selectbox(key=f"encoding-{file.name}").value == "utf-8-replace"
    assert "U+FFFD" in app.info[0].value.replace("\\", "")
    app.selectbox(key=f"encoding-{file.name}").set_value("guess").run()
    assert "damaged UTF-8: in line 41" in app.error[0].value.replace("\\", "")


def test_an_encoding_may_be_chosen_and_goes_along_to_train(data, uploads, monkeypatch) -> None:
    content = ("Mitte für alle: schön und grün.\n" * 900).encode("mac-roman")
    app = upload(data("text"), "alt.txt", content)
    (file,) = corpora.uploads()
    app.selectbox(key=f"encoding-{file}").set_value("mac-roman").run()
    assert app.code[0].value.startswith("Mitte für alle: schön")
    assert not app.info
    chosen = DataConfig(
        dataset="text", text_path=str(corpora.uploads()[file]), encoding="mac-roman"
    )
    link = links.to_train_dataset(chosen)
    assert link.query["encoding"] == "mac-roman"


def test_a_text_may_be_deleted(data, uploads) -> None:
    app = upload(data("text"), "first.txt", b"To be kept on this machine.\n" * 40)
    upload(app, "second.txt", b"To be deleted again.\n" * 40)
    assert app.code[0].value.startswith("To be deleted")
    app.button(key="delete-text").click().run()
    assert not app.exception
    assert [path.name[:5] for path in uploads.iterdir()] == ["first"]
    assert app.code[0].value.startswith("To be kept")
    assert app.selectbox(key="text-1").value.startswith("first")  # a widget that is drawn anew
    app.button(key="delete-text").click().run()
    assert not app.exception
    assert not app.code
    assert not list(uploads.iterdir())


@pytest.mark.parametrize("beginning", [" " * 48, "\n" * 700, " \t\n" * 30, "x" * 60])
def test_a_text_may_begin_with_anything(data, uploads, beginning: str) -> None:
    app = upload(data("text"), "odd.txt", (beginning + "And then a text.\n" * 50).encode())
    assert app.text_area[0].value in ("And then a text.\nAnd then a text.\nAnd then a", "x" * 48)
    app.run()
    assert not app.exception


def test_each_text_has_its_own_words_to_tokenise(data, uploads) -> None:
    app = upload(data("text"), "greek.txt", "Μῆνιν ἄειδε θεά\n".encode() * 50)
    assert app.text_area[0].value.startswith("Μῆνιν")
    upload(app, "latin.txt", b"Arma virumque cano\n" * 50)
    assert app.text_area[0].value.startswith("Arma")
    assert not app.warning


def test_a_list_may_be_split_by_its_lines(data, uploads) -> None:
    names = [f"{a}{b}{c}a" for a in "abcdefg" for b in "aeiou" for c in "lmnrs"]
    app = upload(data("text"), "names.txt", "\n".join(names).encode())
    assert "looks like a list" in app.info[0].value
    assert any("The last tenth of the text" in caption.value for caption in app.caption)
    app.segmented_control(key="split-text").set_value("lines").run()
    assert not app.exception
    assert not any("looks like a list" in info.value for info in app.info)
    assert any("lines, drawn at random" in caption.value for caption in app.caption)
    first = app.code[0].value
    app.number_input(key="data-seed").set_value(1).run()
    assert app.code[0].value != first
    widget(app.segmented_control, "corpus").set_value("known_entropy").run()
    assert not app.exception


def test_words_that_are_mostly_unknown_are_said(data, uploads) -> None:
    words = [f"{a}{b}{c}{d}" for a in "abcdef" for b in "ghijk" for c in "lmnop" for d in "qrst"]
    app = upload(data("text"), "words.txt", "\n".join(words).encode())
    app.segmented_control(key="tokenizer-text").set_value("word").run()
    assert "100 % of the valid part's words" in app.info[0].value
    assert set(app.table[0].value["Unknown words"]) == {"100 %"}
    assert list(app.table[1].value)[1] == "Bits per character"


def test_a_toy_corpus_and_tokenizer_are_shown_like_any_other(data) -> None:
    with DATASETS.including(Rabbits()), TOKENIZERS.including(NibbleTokenizer):
        app = data("rabbits")
        assert widget(app.segmented_control, "corpus").value == "rabbits"
        assert app.segmented_control(key="tokenizer-rabbits").value == "nibble"
        assert app.segmented_control(key="split-rabbits").options == ["study", "halves"]
        before = app.metric[0].value, app.code[0].value
        app.segmented_control(key="split-rabbits").set_value("halves").run()
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
    assert any("The last tenth of the text is its test part" in c.value for c in app.caption)
    assert any("200 line ends of CR LF became LF" in c.value for c in app.caption)
