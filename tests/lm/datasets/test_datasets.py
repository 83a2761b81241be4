import gzip
import hashlib
import itertools
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lm.base.settings import ConfigError, settings
from lm.base.wording import percent
from lm.datasets import (
    DATASETS,
    MAX_BYTES,
    DatasetError,
    Download,
    RemoteFile,
    datasets_dir,
    download,
    downloadable,
    load,
    load_text,
    read_text_file,
    save_text,
)
from lm.datasets.config import DataConfig
from lm.datasets.own_text import is_list
from lm.datasets.tokenizers import TOKENIZERS, train_tokenizer

VERSE = "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty datasets folder."""
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))
    return tmp_path


def text_config(path: Path, content: str | bytes, **values) -> DataConfig:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return DataConfig(dataset="text", text_path=str(path), **values)


# --- the real corpora -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "counts", "vocab_size"),
    [
        ("ptb", [929_589, 73_760, 82_430], 10_000),
        ("wikitext-2", [2_088_628, 217_646, 245_569], 33_278),
    ],
)
def test_word_counts_are_the_published_ones(real_corpora, name, counts, vocab_size):
    corpus = load(DataConfig(dataset=name))
    assert [split.n_tokens for split in corpus.splits.values()] == counts
    assert corpus.tokenizer.vocab_size == vocab_size
    assert [split.spelling_nats for split in corpus.splits.values()] == [0, 0, 0]
    assert len(np.unique(corpus.train.token_ids)) == vocab_size


def test_the_study_split_of_tiny_shakespeare(real_corpora):
    corpus = load(DataConfig())
    assert [split.n_tokens for split in corpus.splits.values()] == [892_117, 111_669, 111_606]
    assert corpus.tokenizer.vocab_size == 65
    whole = (datasets_dir() / "tiny_shakespeare" / "input.txt").read_bytes()
    assert corpus.sha256 == hashlib.sha256(whole).hexdigest()


def test_the_nanogpt_split_of_tiny_shakespeare(real_corpora):
    corpus, texts = load(DataConfig(split="nanogpt")), load_text(DataConfig(split="nanogpt"))
    assert [split.n_tokens for split in corpus.splits.values()] == [1_003_854, 111_540]
    assert corpus.test is None
    assert (texts.train + texts.valid).encode() == (
        datasets_dir() / "tiny_shakespeare" / "input.txt"
    ).read_bytes()


def test_the_studys_three_files_give_the_same_tokens(real_corpora, tmp_path, monkeypatch):
    whole, texts = load(DataConfig()), load_text(DataConfig())
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))
    (tmp_path / "tiny_shakespeare").mkdir()
    for part in ("train", "valid", "test"):
        (tmp_path / "tiny_shakespeare" / f"{part}.txt").write_text(getattr(texts, part), "utf-8")
    parts = load(DataConfig())
    assert parts.tokenizer == whole.tokenizer
    for part, split in whole.splits.items():
        np.testing.assert_array_equal(split.token_ids, parts.splits[part].token_ids)
    with pytest.raises(DatasetError, match=r"nanogpt split .* needs .*input\.txt"):
        load_text(DataConfig(split="nanogpt"))


@pytest.mark.parametrize("name", downloadable())
def test_the_downloads_are_the_files_that_are_measured_on(real_corpora, name):
    for file in DATASETS[name].download.files:
        content = (datasets_dir() / name / file.name).read_bytes()
        assert len(content) == file.n_bytes
        assert hashlib.sha256(content).hexdigest() == file.sha256


# --- corpora that need no file ----------------------------------------------------------------


def test_python_reference_needs_no_file(folder: Path):
    from pydoc_data.topics import topics

    texts, corpus = (module(DataConfig(dataset="python_reference")) for module in (load_text, load))
    whole = texts.train + texts.valid + texts.test
    assert len(whole) == sum(map(len, topics.values()))
    if sys.version_info[:3] == (3, 11, 7):
        assert len(whole) == 464_970
    assert all(topic in whole for topic in topics.values())
    assert corpus.sha256 == hashlib.sha256(whole.encode()).hexdigest()
    assert [s.n_chars / len(whole) for s in corpus.splits.values()] == pytest.approx(
        [0.8, 0.1, 0.1], abs=1e-4
    )


def test_without_files_those_corpora_are_available_that_need_none(folder: Path):
    available = {name for name, dataset in DATASETS.items() if dataset.available}
    assert available == {
        name for name, dataset in DATASETS.items() if not dataset.needs_file or dataset.needs_path
    }
    assert {"known_entropy", "python_reference", "text"} <= available


# --- missing and wrong files --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny_shakespeare", "ptb", "wikitext-2"])
def test_a_missing_corpus_says_what_to_do(folder: Path, name: str):
    with pytest.raises(DatasetError) as error:
        load(DataConfig(dataset=name))
    assert str(folder / name) in str(error.value)
    assert f"python -m lm data download {name}" in str(error.value)
    assert "known_entropy" in str(error.value)


def test_a_missing_part_is_named(folder: Path):
    (folder / "ptb").mkdir()
    for part in ("train.txt", "test.txt"):
        (folder / "ptb" / part).write_text(VERSE)
    with pytest.raises(DatasetError, match=r"valid\.txt is missing"):
        load(DataConfig(dataset="ptb"))


def test_another_tiny_shakespeare_is_refused(folder: Path):
    (folder / "tiny_shakespeare").mkdir()
    (folder / "tiny_shakespeare" / "input.txt").write_text(VERSE)
    with pytest.raises(DatasetError, match=r"not the Tiny Shakespeare .* sha256"):
        load(DataConfig())


def test_an_empty_part_is_refused(folder: Path):
    (folder / "ptb").mkdir()
    for part, content in {"train": VERSE, "valid": "", "test": VERSE}.items():
        (folder / "ptb" / f"{part}.txt").write_text(content)
    with pytest.raises(DatasetError, match="valid split of ptb has 0 tokens"):
        load(DataConfig(dataset="ptb"))


# --- a text of one's own ------------------------------------------------------------------------


def test_a_text_is_split_80_10_10_by_characters(tmp_path: Path):
    text = "".join(chr(33 + i % 90) for i in range(1_005))
    texts = load_text(text_config(tmp_path / "a.txt", text))
    assert texts.train + texts.valid + texts.test == text
    assert [len(texts.train), len(texts.valid), len(texts.test)] == [804, 100, 101]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"a", "has 1 character, too few"),
        (b"nineteen characters", "has 19 characters, too few"),
        (b"one\0two" * 9, "NUL byte at offset 3"),
        ("UTF-16".encode("utf-16-le") * 9, "NUL byte at offset 1"),
        ("UTF-16 cut short".encode("utf-16") * 3 + b"x", "is not UTF-16: it breaks in line 1"),
        (
            "naïve café\ndéjà vu\n".encode() * 3 + b"\xff\xfe",
            "damaged UTF-8: in line 7 byte 0xFF at offset 69 .* 1 other place.* utf-8-replace",
        ),
        (
            b"cut\r\nshort: \xf0\x9f\x98",
            "ends inside a character: line 2 .* 0xF0 0x9F 0x98 at offset 12.* utf-8-replace",
        ),
        (b"and then\n" * 9 + b"\0" * 512, "ends in 512 NUL bytes, from offset 81 on"),
        ("UTF-16".encode("utf-16-be") * 9, "Choose the encoding utf-16-be"),
        ("UTF-32".encode("utf-32-le") * 9, "Choose the encoding utf-32-le"),
        ("one\ntwo\0".encode("utf-16") * 9, "read as UTF-16, holds a NUL character in line 2"),
        ("one\ntwo\0".encode("utf-32"), "read as UTF-32, holds a NUL character in line 2"),
        ("UTF-32 cut short".encode("utf-32")[:-2], "is not UTF-32: it breaks"),
        (gzip.compress(VERSE.encode(), mtime=0), "is a gzip archive"),
        (b"PK\x03\x04" + VERSE.encode(), "is a zip archive, as .docx"),
        (b"%PDF-1.7\n" + VERSE.encode(), "is a PDF"),
    ],
)
def test_a_text_that_cannot_be_read_gets_a_sentence(tmp_path: Path, content, sentence):
    with pytest.raises(DatasetError, match=sentence) as error:
        load(text_config(tmp_path / "mine.txt", content))
    assert "mine.txt" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_text_without_words_gets_a_sentence(tmp_path: Path):
    with pytest.raises(DatasetError, match="0 tokens with tokenizer word"):
        load(text_config(tmp_path / "blank.txt", " " * 100, tokenizer="word"))


@pytest.mark.parametrize("path", ["nowhere.txt", "."])
def test_a_path_that_is_no_file_gets_a_sentence(tmp_path: Path, path: str):
    with pytest.raises(DatasetError, match=r"There is no file|Could not read"):
        read_text_file(tmp_path / path)


def test_a_text_over_the_limit_gets_a_sentence(tmp_path: Path):
    with (tmp_path / "huge.txt").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    with pytest.raises(DatasetError, match=r"100,000,001 bytes; at most 100,000,000 .* memory"):
        read_text_file(tmp_path / "huge.txt")


FRENCH = (
    "Il était une fois, dans un pays lointain, une princesse très belle. «Ça va?», dit le garçon; "
    "à côté d’elle, il rêvait d’être élu.\n"
)
RUSSIAN = "Ну, князь, Генуа и Лукка стали не больше как поместья.\n"


@pytest.mark.parametrize(
    ("encoding", "text", "named"),
    [
        ("cp1252", FRENCH * 20, "Windows-1252"),
        ("latin-1", FRENCH.replace("’", "'") * 20, "Windows-1252"),
        ("cp1252", "plain English\n" * 900 + "It cost £5 at the café." + "\nplain" * 99, "1252"),
        ("cp1251", RUSSIAN * 20, "Windows-1251"),
        ("koi8-r", RUSSIAN * 20, "koi8-r"),
        ("utf-16", FRENCH * 20, "UTF-16"),
        ("utf-16-be", "\ufeff" + RUSSIAN * 20, "UTF-16"),
        ("utf-32", FRENCH * 20, "UTF-32"),
        ("utf-32-be", "\ufeff" + RUSSIAN * 20, "UTF-32"),
    ],
)
def test_an_old_text_is_read_and_what_was_assumed_is_said(tmp_path: Path, encoding, text, named):
    content = text.encode(encoding)
    data = text_config(tmp_path / "old.txt", content.replace(b"\n", b"\r\n"))
    if encoding.startswith("utf-"):
        data = text_config(tmp_path / "old.txt", content)
    texts, corpus = load_text(data), load(data)
    text = text.removeprefix("\ufeff")
    assert texts.train + texts.valid + texts.test == text
    assert named in corpus.original.encoding
    note = corpus.notes[0]
    assert corpus.original.encoding in note
    assert ("If that looks wrong, choose another encoding" in note) != encoding.startswith("utf-")
    assert "\n" not in note
    # the text and its file have a sha256 each: the one of what is learnt, the other of the source
    assert corpus.sha256 == hashlib.sha256(text.encode()).hexdigest()
    content = (tmp_path / "old.txt").read_bytes()
    assert corpus.original.sha256 == hashlib.sha256(content).hexdigest()


def test_a_text_is_the_same_in_every_encoding(tmp_path: Path):
    old = load(text_config(tmp_path / "old.txt", (FRENCH * 20).encode("cp1252")))
    new = load(text_config(tmp_path / "new.txt", FRENCH * 20))
    assert old.sha256 == new.sha256
    assert old.tokenizer == new.tokenizer
    np.testing.assert_array_equal(old.train.token_ids, new.train.token_ids)
    assert new.original is None


@pytest.mark.parametrize("cut", [1, 2])
def test_utf8_that_is_cut_or_damaged_is_not_taken_for_something_else(tmp_path: Path, cut: int):
    content = (FRENCH * 9).encode()[:-1] + "€".encode()[:-cut]
    with pytest.raises(DatasetError, match=r"ends inside a character: line 9 .* 0xE2"):
        load(text_config(tmp_path / "cut.txt", content))
    data = text_config(tmp_path / "cut.txt", content, encoding="utf-8-replace")
    assert load_text(data).test.endswith("élu.\ufffd")
    assert (
        "(U+FFFD) stands 1 time for something that was lost, first in line 9" in load(data).notes[0]
    )


def test_a_guess_shows_its_first_line_and_can_be_overridden(tmp_path: Path):
    plain = "Cost\r\n" * 30
    content = (plain + "  and more " * 9 + "than £5; that is all.\r\n").encode("cp1252")
    data = text_config(tmp_path / "old.txt", content)
    note = load(data).notes[0]
    assert "is read as Windows-1252" in note
    assert "line 31, “… more   and more   and more   and more than £5; that is all.”" in note
    other = data.replace(encoding="cp850")
    assert "ú5" in load_text(other).test  # what Windows-1252 calls £
    assert load(other).original.encoding == "cp850"
    assert not any("read as" in note for note in load(other).notes)
    with pytest.raises(DatasetError, match="is not UTF-8: it breaks in line 31, at offset 284"):
        load(data.replace(encoding="utf-8"))


def test_what_was_changed_and_what_is_odd_is_said(tmp_path: Path):
    text = "\ufeffone\r\ntwo\rthr\ufeffee\r\nfo\ufffdur\n" + VERSE * 99
    notes = " ".join(load(text_config(tmp_path / "a.txt", text)).notes)
    assert "Its byte order mark is left out. 2 line ends of CR LF became LF." in notes
    assert "1 line end of CR became LF." in notes
    assert "U+FFFD) stands 1 time for something that was lost, first in line 4" in notes
    assert "inside the text 1 time, first in line 3" in notes
    assert load(text_config(tmp_path / "b.txt", VERSE * 199)).notes == ()


def test_the_encoding_belongs_to_a_text_of_ones_own():
    with pytest.raises(ConfigError, match="encoding goes with dataset 'text'"):
        DataConfig(dataset="ptb", encoding="utf-16")
    with pytest.raises(ConfigError, match="encoding must be one of guess, utf-8, utf-8-replace"):
        DataConfig(dataset="text", text_path="x.txt", encoding="utf-9")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    noise = np.random.default_rng(0).integers(1, 256, 9_000).astype(np.uint8).tobytes()
    with pytest.raises(DatasetError, match="not UTF-8, from offset 2 on, and makes no sense"):
        load(text_config(tmp_path / "noise.txt", noise))


def test_a_published_corpus_must_be_utf8(folder: Path):
    (folder / "ptb").mkdir()
    for part in ("train", "valid", "test"):
        (folder / "ptb" / f"{part}.txt").write_bytes((FRENCH * 20).encode("cp1252"))
    with pytest.raises(DatasetError, match=r"train\.txt must be UTF-8; it looks like Windows-1252"):
        load(DataConfig(dataset="ptb"))


def test_an_upload_is_kept_as_it_came(tmp_path: Path):
    content = (FRENCH * 20).encode("cp1252")
    path = save_text("conte.txt", content, tmp_path)
    assert path.read_bytes() == content
    assert path.name == f"conte-{hashlib.sha256(content).hexdigest()[:8]}.txt"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_what_might_never_end_is_not_read(path: str):
    if not Path(path).exists():
        pytest.skip(f"needs {path}")
    with pytest.raises(DatasetError, match=f"Could not read {path}: it is no regular file"):
        load(DataConfig(dataset="text", text_path=path))


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="no regular file"):
        load(DataConfig(dataset="text", text_path=str(tmp_path / "pipe")))


def test_line_ends_become_newlines_and_a_byte_order_mark_goes(tmp_path: Path):
    (tmp_path / "dos.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_text_file(tmp_path / "dos.txt") == "one\ntwo\nthree\n"


@pytest.mark.parametrize("kind", ["char", "word", "byte", "bpe"])
def test_emoji_are_text_like_any_other(tmp_path: Path, kind: str):
    text = "one 🐟 two 🐠🐠\nred 🐡, blue 👩‍🚀!\n" * 20
    corpus = load(text_config(tmp_path / "fish.txt", text, tokenizer=kind))
    assert "🐟" in corpus.tokenizer.decode(corpus.train.token_ids)
    assert sum(split.n_chars for split in corpus.splits.values()) == len(text)


def test_words_cut_in_two_by_a_split_are_unknown_words_like_any_other(tmp_path: Path):
    corpus = load(text_config(tmp_path / "one.txt", "abcdefghij " * 31, tokenizer="word"))
    assert "<unk>" in corpus.tokenizer.words
    assert corpus.valid.spelling_nats > 0


def test_fifty_megabytes_load(tmp_path: Path):
    text = (VERSE * (50_000_000 // len(VERSE) + 1))[:50_000_000]
    corpus = load(text_config(tmp_path / "long.txt", text))
    assert sum(split.n_tokens for split in corpus.splits.values()) == 50_000_000


def test_a_corpus_is_read_with_the_tokenizer_of_a_run(tmp_path: Path):
    tokenizer = train_tokenizer("char", VERSE + "xyz")
    corpus = load(text_config(tmp_path / "a.txt", VERSE), tokenizer)
    assert corpus.tokenizer is tokenizer
    assert corpus.train.token_ids.max() < tokenizer.vocab_size


def test_uploads_keep_their_content_under_their_name(tmp_path: Path):
    first = save_text("../My café.txt", VERSE.encode(), tmp_path)
    second = save_text("../My café.txt", VERSE.upper().encode(), tmp_path)
    assert first.parent == second.parent == tmp_path
    assert first.name.startswith("My_café-")
    assert (read_text_file(first), read_text_file(second)) == (VERSE, VERSE.upper())
    assert save_text("My café.txt", VERSE.encode(), tmp_path) == first
    with pytest.raises(DatasetError, match=r"x\.txt is empty"):
        save_text("x.txt", b"", tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([first, second])


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a device that is always full")
def test_on_a_full_disk_an_upload_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    open_file = Path.open
    monkeypatch.setattr(Path, "open", lambda _, mode: open_file(FULL, mode))
    with pytest.raises(DatasetError, match=r"Could not write .*No space left on device"):
        save_text("a.txt", VERSE.encode(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_cannot_be_written_gets_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatasetError, match="Could not write"):
        save_text("a.txt", VERSE.encode(), tmp_path / "file")


# --- what is said of a text and its parts ---------------------------------------------------------


def test_the_held_out_part_is_named_and_what_training_never_saw(tmp_path: Path):
    corpus = load(text_config(tmp_path / "a.txt", VERSE * 199 + "ж" * 84 + VERSE * 19))
    assert corpus.cut.startswith("The last tenth of the text is its test part")
    share = np.mean(corpus.test.token_ids == corpus.tokenizer.encode("ж")[0])
    assert corpus.notes == (
        f"{percent(share)} of the test part's characters do not occur in the train part, so no "
        "model can learn them: “ж”.",
    )
    of_lines = load(text_config(tmp_path / "b.txt", "a" * 900 + "b\n" * 50))
    assert "“↵”" in of_lines.notes[0]
    by_bytes = load(corpus.data.replace(tokenizer="byte"))
    assert "of the test part's bytes do not occur in the train part" in by_bytes.notes[0]


def test_a_held_out_part_that_is_too_short_for_its_digits_is_said(tmp_path: Path):
    corpus = load(text_config(tmp_path / "a.txt", VERSE * 6 + VERSE[:18]))
    assert corpus.notes == (
        "Its losses are uncertain by about ±0.4 nats, being means over few tokens: the valid part "
        "has 50 and the test part has 51.",
    )


def test_byte_pairs_that_ran_out_are_said(tmp_path: Path):
    data = text_config(tmp_path / "a.txt", VERSE * 99, tokenizer="bpe", bpe_vocab_size=5_000)
    corpus = load(data)
    size = corpus.tokenizer.vocab_size
    assert f"The vocabulary has {size} tokens and not the 5,000 that were asked" in corpus.notes[0]
    assert load(data.replace(bpe_vocab_size=size)).notes == corpus.notes[1:]


NAMES = [f"{a}{b}{c}" for a in ("an", "be", "cor") for b in ("na", "la", "ti") for c in "aeioust"]


def test_a_list_is_told_from_a_text_and_may_be_split_by_lines(tmp_path: Path):
    names = sorted({a + b for a in NAMES for b in ("", "n", "ra")})
    data = text_config(tmp_path / "names.txt", "\n".join(names))  # its last line has no end
    assert any("looks like a list with one item a line" in note for note in load(data).notes)
    by_lines = data.replace(split="lines")
    corpus, texts = load(by_lines), load_text(by_lines)
    parts = [part.splitlines() for part in (texts.train, texts.valid, texts.test)]
    assert sorted(itertools.chain(*parts)) == names
    assert [len(part) for part in parts] == [151, 19, 19]
    assert min(parts[2]) < "b" < "c" < max(parts[2])  # not the tail
    assert "drawn at random" in corpus.cut
    assert not any("looks like a list" in note for note in corpus.notes)
    assert load_text(by_lines) == texts
    other = load(by_lines.replace(seed=1))
    assert len({load(data).sha256, corpus.sha256, other.sha256}) == 3
    assert settings(DataConfig)["seed"].applies({"dataset": "text", "split": "lines"})
    assert not settings(DataConfig)["seed"].applies({"dataset": "text"})
    with pytest.raises(DatasetError, match="has 3 lines, too few to split by lines"):
        load(text_config(tmp_path / "short.txt", "a short line\n" * 3, split="lines"))


@pytest.mark.parametrize("content", [VERSE * 99, "import os\n\n\ndef f():\n    pass\n" * 99])
def test_verse_and_code_are_no_lists(content: str):
    assert not is_list(content)


def test_sums_are_a_list():
    assert is_list("".join(f"{a} + {b} = {a + b}\n" for a in range(40) for b in range(40)))


# --- prompts and what is printed ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("tiny_shakespeare", "ROMEO:"),
        ("ptb", "<unk> <unk> watching abc"),
        ("wikitext-2", "= Homarus gammarus ="),
    ],
)
def test_the_prompts_of_the_corpora_never_change(real_corpora, name: str, prompt: str):
    data = DataConfig(dataset=name)
    for tokenizer in dict.fromkeys([data.tokenizer, "word", "byte"]):
        assert load(data.replace(tokenizer=tokenizer)).sample_prompt() == prompt


def test_the_prompt_of_known_entropy_never_changes():
    assert load(DataConfig(dataset="known_entropy")).sample_prompt() == "kai zara sera dum dapo"


def test_a_prompt_is_cut_between_words(tmp_path: Path):
    text = "one two three four five six seven eight\n" * 100
    assert load(text_config(tmp_path / "a.txt", text)).sample_prompt() == "one two three four five"


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize(
    "line",
    [
        "antidisestablishmentarianism",
        "https://example.org/a/very/long/address and more",
        "海" * 40,
        "😀👩‍🚀" * 20,
        "a short line",
    ],
)
def test_a_prompt_can_be_encoded_however_long_a_word_is(tmp_path: Path, kind: str, line: str):
    text = (line + "\n") * 400  # its splits end with lines, so that no <unk> is needed
    corpus = load(text_config(tmp_path / "a.txt", text, tokenizer=kind, bpe_vocab_size=300))
    prompt = corpus.sample_prompt()
    token_ids = corpus.tokenizer.encode(prompt)
    assert line.startswith(prompt)
    if kind == "word":
        assert "<unk>" not in corpus.tokenizer.words
        assert prompt in (line, line.split(" ")[0])
    else:
        assert 0 < len(prompt) <= 24
    assert corpus.tokenizer.decode(token_ids) == prompt


def test_a_corpus_prints_as_one_line():
    data = DataConfig(dataset="known_entropy", tokenizer="word")
    corpus, texts = load(data), load_text(data)
    assert repr(corpus) == (
        "Corpus(known_entropy: train 224,707, valid 28,117, test 28,086; "
        "WordTokenizer(vocabulary of 41))"
    )
    assert repr(corpus.valid) == "Split(28,117 tokens of 99,992 characters)"
    assert repr(texts) == f"Splits(sha256='{corpus.sha256}', original=None)"


# --- downloads, from a server on this machine ---------------------------------------------------

PARTS = {
    "/train.txt": VERSE.encode() * 5_000,
    "/valid.txt": b"valid\n" * 9,
    "/test.txt": b"t\n" * 9,
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = PARTS.get(self.path.removeprefix("/broken"))
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        broken = self.path.startswith("/broken")
        self.wfile.write(content[: len(content) // 2] if broken else content)
        self.server.requests.append(self.path)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def remote(server: ThreadingHTTPServer, path: str, content: bytes | None = None) -> RemoteFile:
    content = PARTS[path] if content is None else content
    return RemoteFile(
        path.rsplit("/", 1)[1],
        f"http://127.0.0.1:{server.server_port}{path}",
        len(content),
        hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture
def ptb_from(monkeypatch: pytest.MonkeyPatch):
    """Point the download of PTB elsewhere."""
    ptb = DATASETS["ptb"]
    terms = ptb.download.consent
    return lambda *files: monkeypatch.setattr(ptb, "download", Download(files, terms))


def test_a_download_reports_progress_and_is_not_repeated(server, folder, ptb_from):
    ptb_from(*(remote(server, path) for path in PARTS))
    seen: list[tuple[int, int]] = []
    paths = download("ptb", consent=True, progress=lambda *step: seen.append(step))
    assert [path.read_bytes() for path in paths] == list(PARTS.values())
    total = sum(map(len, PARTS.values()))
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 5
    assert DATASETS["ptb"].available
    assert load(DataConfig(dataset="ptb")).valid.n_tokens == 18
    download("ptb", consent=True)
    assert len(server.requests) == 3
    assert sorted(path.name for path in (folder / "ptb").iterdir()) == [
        "test.txt",
        "train.txt",
        "valid.txt",
    ]


@pytest.mark.parametrize(
    ("path", "content", "sentence"),
    [
        ("/train.txt", b"expected\n", "not the file it should be .* not kept"),
        ("/broken/train.txt", PARTS["/train.txt"], "broke off after 202,500 of 405,000 bytes"),
        ("/gone.txt", b"", "Could not download .*404"),
    ],
)
def test_a_failed_download_keeps_nothing(server, folder, ptb_from, path, content, sentence):
    ptb_from(remote(server, path, content))
    with pytest.raises(DatasetError, match=sentence) as error:
        download("ptb", consent=True)
    assert "by hand" in str(error.value)
    assert list((folder / "ptb").iterdir()) == []


def test_a_failed_download_keeps_the_file_that_was_there(server, folder, ptb_from):
    (folder / "ptb").mkdir()
    (folder / "ptb" / "train.txt").write_text(VERSE)
    ptb_from(remote(server, "/broken/train.txt", PARTS["/train.txt"]))
    with pytest.raises(DatasetError):
        download("ptb", consent=True)
    assert (folder / "ptb" / "train.txt").read_text() == VERSE


def test_without_a_network_a_download_says_what_to_do(server, folder, ptb_from):
    ptb_from(remote(server, "/train.txt"))
    server.shutdown()
    server.server_close()
    with pytest.raises(DatasetError, match=r"refused.*by hand; known_entropy and python_reference"):
        download("ptb", consent=True)


def test_ptb_is_fetched_only_with_consent(server, folder, ptb_from):
    ptb_from(remote(server, "/train.txt"))
    with pytest.raises(DatasetError, match=r"Linguistic Data Consortium.*--consent"):
        download("ptb")
    assert server.requests == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["known_entropy", "text", "moby_dick"])
def test_what_has_no_download_says_so(folder: Path, name: str):
    with pytest.raises(DatasetError, match=r"needs no download|cannot be downloaded; these can"):
        download(name)


# --- to choose by -------------------------------------------------------------------------------


def test_for_a_choice_there_is_no_test_split(real_corpora):
    corpus, whole = load(DataConfig(), for_choice=True), load(DataConfig())
    assert corpus.test is None
    assert corpus.tokenizer == whole.tokenizer
    assert corpus.n_scored_tokens == whole.valid.n_tokens


def test_nothing_is_chosen_by_a_split_that_tests_another(folder: Path):
    """Before anything is read: there is no text here."""
    with pytest.raises(DatasetError, match=r"split=nanogpt .* is the test text .* split=study\."):
        load(DataConfig(split="nanogpt"), for_choice=True)


def test_the_texts_that_recipes_are_chosen_by_test_nothing(real_corpora):
    """None holds a piece of a test text as long as a line."""
    from bench.development import TEXTS, development_text

    tested = load_text(DataConfig()).test
    assert tested is not None
    lines = {line for line in tested.split("\n") if len(line) > 40}
    for name in TEXTS:
        if "shakespeare" in name:
            corpus = development_text(name)
            assert corpus.test is None
            for split in (corpus.train, corpus.valid):
                assert not lines & set(corpus.tokenizer.decode(split.token_ids).split("\n"))
