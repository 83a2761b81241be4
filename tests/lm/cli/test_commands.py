"""What each command prints."""

import json
import math
import random
from pathlib import Path

import pytest

import lm
from lm.architectures import ARCHITECTURES
from lm.architectures.transformer.config import TransformerConfig
from lm.base.settings import settings
from lm.cli import main
from lm.cli.printing import print_json, print_values
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.prepare import prepare
from lm.runs.presets import PRESETS
from lm.training import execute
from lm.updates.config import TrainingConfig
from tests.lm.cli.said import CORPUS, TINY, TRAIN_KEYS, last_json, refused


def test_train_prints_one_object(say, home):
    command = ["train", *CORPUS, *TINY, "--architecture", "mlp", "--budget", "2e7", "--seed", "3"]
    status, out, err = say(*command, "--set", "model.d_hidden=8", "--json")
    assert status == 0
    assert out.count("\n") == 1
    result = last_json(out)
    assert list(result) == TRAIN_KEYS
    assert result["architecture"] == "mlp"
    assert result["dataset"] == "known_entropy"
    assert 0.95 * 2e7 <= result["flops"] <= 2e7
    parts = [result[f"flops_{part}"] for part in ("forward", "backward", "optimizer")]
    assert sum(parts) == result["flops"]
    assert result["val_loss"] > 0
    assert result["test_loss"] > 0
    run = RunStore(home).get(result["path"])
    assert run.run_id == result["run_id"]
    assert (run.config.training.seed, run.config.model.d_hidden) == (3, 8)
    assert "100%" in err
    assert "loss" in err
    assert "FLOP/s" in err
    assert len(err.splitlines()) < 20


def test_a_capped_budget_is_said_and_recorded(say, home):
    command = ["train", *CORPUS, *TINY, "--architecture", "linear", "--budget", "4e7"]
    status, out, err = say(*command, "--set", "training.budget_cap=1e7", "--json")
    assert status == 0
    said = " ".join(err.split())
    assert "30 MFLOPs of the budget are left unspent" in said
    result = last_json(out)
    assert 0.95e7 <= result["flops"] <= 1e7
    table = RunStore(home).dataframe().set_index("run_id")
    assert table.loc[result["run_id"], "unspent"] == 3e7


def test_absent_values_are_null(say, home):
    """Of a run that was prepared and not trained."""
    run = prepare(RunStore(home).get("first").config, RunStore(home), "untrained")
    listed = last_json(say("runs", "--json")[1])
    row = next(row for row in listed if row["run_id"] == run.run_id)
    assert [row[name] for name in ("train_loss", "val_loss", "test_loss")] == [None] * 3
    assert row["steps"] == 0
    assert "untrained" in say("runs")[1]
    RunStore(home).delete(run)


def test_no_runs_are_an_empty_list(say, tmp_path):
    status, out, _ = say("runs", "--json", runs_dir=tmp_path / "none")
    assert (status, out) == (0, "[]\n")
    assert "There are no runs" in say("runs", runs_dir=tmp_path / "none")[1]


def test_runs_lists_runs(say):
    status, out, _ = say("runs")
    heading, *rows = out.splitlines()
    assert status == 0
    assert heading.split()[0] == "run_id"
    assert any("first" in row and "complete" in row for row in rows)
    listed = last_json(say("runs", "--json")[1])
    first = next(row for row in listed if row["name"] == "first")
    assert set(TRAIN_KEYS) < set(first)
    assert first["steps"] == 6


def test_runs_dir_may_come_from_the_environment(home, capsys, monkeypatch):
    monkeypatch.setenv("LM_RUNS_DIR", str(home))
    assert main(["runs"]) == 0
    assert "first" in capsys.readouterr().out


def test_several_texts_are_those_of_their_seeds(say, home):
    flags = ["sample", "first", "--prompt", "ab", "--tokens", "30"]
    _, out, _ = say(*flags, "--texts", "2", "--seed", "4")
    texts = [say(*flags, "--seed", str(seed))[1] for seed in (4, 5)]
    assert out == f"--- seed 4\n{texts[0]}--- seed 5\n{texts[1]}"


def test_n_grams_are_counted_and_scored(say, home):
    flags = ["ngram", "--dataset", "known_entropy", "--json"]
    two, five = (json.loads(say(*flags, "--order", order)[1])["scores"] for order in ("2", "5"))
    assert [row["split_part"] for row in five] == ["valid", "test"]
    assert five[1]["loss"] < two[1]["loss"]
    assert "no training FLOPs" in say(*flags[:-1])[1]


def test_evaluate_as_a_hybrid_and_in_blocks(say, home):
    def loss(*flags):
        return json.loads(say("evaluate", "first", *flags, "--json")[1])["loss"]

    assert loss("--hybrid") < loss()
    assert loss("--blocks") == loss()  # a window model sees its whole window anyway
    assert json.loads(say("evaluate", "first", "--hybrid", "--json")[1])["category"] == "hybrid"


@pytest.mark.parametrize("part", ["valid", "test"])
def test_evaluate_finds_the_stored_loss(say, home, part):
    status, out, _ = say("evaluate", "first", "--split-part", part, "--json")
    stored = getattr(RunStore(home).get("first").status, part)
    result = last_json(out)
    assert status == 0
    assert result["loss"] == stored.loss
    assert result["bits_per_char"] == stored.bits_per_char
    assert (result["n_tokens"], result["split_part"]) == (stored.n_tokens, part)
    assert "perplexity" in say("evaluate", "first", "--split-part", part)[1]


def test_resuming_a_finished_run_says_so(say):
    status, out, err = say("resume", "first", "--json")
    assert status == 0
    assert "complete" in err
    assert last_json(out)["steps"] == 6


def test_sample_writes_the_same_text_for_the_same_seed(say):
    command = ["sample", "first", "--tokens", "40", "--temperature", "0.8", "--top-k", "9"]
    command += ["--top-p", "0.9", "--min-p", "0.01"]
    status, out, _ = say(*command, "--prompt", "a", "--seed", "5")
    assert status == 0
    assert out[0] == "a"
    assert len(out) == 1 + 40 + 1
    assert say(*command, "--prompt", "a", "--seed", "5")[1] == out
    assert say(*command, "--prompt", "a", "--seed", "6")[1] != out
    assert len(say(*command)[1]) == 40 + 1


def test_flops_measured_equals_formula(say):
    command = ["flops", "--architecture", "transformer", "--set", "model.n_layers=3"]
    command += ["--vocab-size", "50", "--batch-size", "7"]
    status, out, _ = say(*command, "--json")
    result = last_json(out)
    assert status == 0
    assert list(result) == ["measured", "formula", "operations", "bytes", "modules"]
    assert result["operations"]["total"] > result["formula"]["total"]
    for part in ("operations", "bytes"):
        totals = [module[part]["total"] for module in result["modules"]]
        assert sum(totals) == result[part]["total"]
    assert list(result["formula"]) == ["forward", "backward", "optimizer", "total"]
    assert result["measured"] == result["formula"]
    assert sum(module["total"] for module in result["modules"]) == result["formula"]["total"]
    table = say(*command)[1]
    assert f"{result['formula']['total']:,}" in table
    assert "7 rows of 64 tokens" in table
    assert "blocks.2.attention" in table


@pytest.mark.parametrize("length", [7, 99])  # below and above the window
def test_flops_counts_rows_of_the_length_that_is_asked_for(say, length):
    command = ["flops", "--architecture", "mlp", "--preset", "study", "--batch-size", "2"]
    for name, value in {"context_length": 9, "n_layers": 1, "d_embed": 2, "d_hidden": 3}.items():
        command += ["--set", f"model.{name}={value}"]
    command += ["--set", f"training.sequence_length={length}"]
    result = last_json(say(*command, "--json")[1])
    assert result["formula"]["forward"] == 2 * 2 * length * (9 * 2 * 3 + 3 * 65)
    assert result["measured"] == result["formula"]
    assert f"2 rows of {length} tokens" in say(*command)[1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_flops_are_those_of_a_step_that_is_trained(say, tmp_path, architecture):
    study = PRESETS["study"].suits(ARCHITECTURES[architecture])  # whose sizes ask for no text
    asked = ["--architecture", architecture, "--preset", "study" if study else "modern"]
    asked += ["--set", "training.sequence_length=3"]
    asked += ["--set", "training.batch_size=2", "--set", "model.context_length=8"]
    trained = ["train", *asked, *CORPUS, "--steps", "1", "--set", "training.threads=1", "--json"]
    result = last_json(say(*trained, runs_dir=tmp_path)[1])
    vocab_size = RunStore(tmp_path).get(result["run_id"]).facts.vocab_size
    counted = last_json(say("flops", *asked, "--vocab-size", str(vocab_size), "--json")[1])
    assert counted["measured"]["total"] == result["flops_per_step"]


def test_presets_and_text_files(say, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_bytes("Ein Text mit Umlauten: äöü.\r\n".encode() * 40)
    command = ["train", "--text", str(file), "--tokenizer", "byte", "--architecture", "attention"]
    command += ["--preset", "classic", "--epochs", "0.5", "--set", "model.context_length=8"]
    command += ["--set", "model.d_model=8", "--set", "training.batch_size=2", "--json"]
    status, out, _ = say(*command, runs_dir=tmp_path / "runs")
    assert status == 0
    assert last_json(out)["dataset"] == "text"
    (run,) = RunStore(tmp_path / "runs").list()
    assert (run.config.preset, run.config.data.tokenizer) == ("classic", "byte")
    assert Path(run.config.data.text_path).is_absolute()


def test_words_that_are_mostly_unknown_are_said_beside_every_loss(say, tmp_path):
    rng = random.Random(0)
    file, runs = tmp_path / "words.txt", tmp_path / "runs"
    file.write_text("".join("".join(rng.choices("abcdefgh", k=7)) + "\n" for _ in range(900)))
    words = ["--text", str(file), "--tokenizer", "word"]
    status, out, err = say("ngram", *words)
    assert status == 0
    assert out.split()[:2] == ["split_part", "bits_per_char"]
    assert "of the valid part's words and" in err
    assert "compare bits per character" in err
    assert "The last tenth of the text is its test part" in err
    assert "looks like a list" in err
    command = ["train", *words, "--architecture", "linear", "--steps", "2", *TINY]
    status, out, err = say(*command, runs_dir=runs)
    assert out.index("val_bits_per_char") < out.index("val_loss")
    assert err.count("compare bits per character") == 2  # before it trains, and at its end
    row = last_json(say("runs", "--json", runs_dir=runs)[1])[0]
    assert row["val_unknown_share"] > 0.99
    status, out, err = say("evaluate", row["run_id"], runs_dir=runs)
    assert out.index("bits_per_char") < out.index("loss")
    assert "of the valid part's words are <unk>" in err


def test_the_encoding_of_a_text_may_be_named(say, tmp_path):
    file = tmp_path / "old.txt"
    file.write_bytes(("Mitte für alle: schön und grün.\n" * 99).encode("mac-roman"))
    say_dry = ["ladder", "--text", str(file), "--dry-run"]
    assert "is read as" in say(*say_dry)[2]
    assert "is read as" not in say(*say_dry, "--encoding", "mac-roman")[2]
    assert "encoding must be one of" in refused(
        say("ngram", "--text", str(file), "--encoding", "x")
    )


def test_data_lists_every_corpus(say):
    for command in (["data"], ["data", "list"]):
        status, out, _ = say(*command)
        assert status == 0
        for word in ("tiny_shakespeare", "public domain", "--consent", "needs no file"):
            assert word in out


def test_help_names_every_setting(capsys):
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    for section, config in (
        ("model", TransformerConfig),
        ("training", TrainingConfig),
        ("data", DataConfig),
    ):
        for name in settings(config):
            assert f"{section}.{name}: " in text


def test_json_has_null_for_a_number_that_is_infinite(capsys):
    print_json({"perplexity": math.inf, "rows": [{"loss": math.nan}, 1.5], "pair": (1, -math.inf)})
    assert last_json(capsys.readouterr().out) == {
        "perplexity": None,
        "rows": [{"loss": None}, 1.5],
        "pair": [1, None],
    }


def test_runs_say_which_text_and_tokens_their_losses_are_of(say):
    status, out, err = say("runs")
    heading, *rows = out.splitlines()
    assert status == 0
    assert heading.split()[:4] == ["run_id", "state", "text", "tokenizer"]
    assert "val_loss  test_loss  val_bits/char  test_bits/char" in heading
    assert all("Known entropy  characters" in row for row in rows)
    assert "nats per token" in err


def test_numbers_just_below_zero_have_no_sign(capsys):
    print_values({"log_likelihood": -1e-9, "loss": 1e-9})
    assert capsys.readouterr().out.split() == ["log_likelihood", "0.0000", "loss", "0.0000"]


def test_resume_says_from_which_step_it_goes_on(say, tmp_path):
    data = DataConfig(dataset="known_entropy", n_chars=3_000)
    config = lm.resolve(data, "linear", steps=6, context_length=4, batch_size=2, threads=1)
    execute(prepare(config, RunStore(tmp_path), "halfway"), until_step=4)
    status, _, err = say("resume", "halfway", runs_dir=tmp_path)
    assert status == 0
    assert "Linear of " in err
    assert "It goes on from step 4, its last checkpoint." in err
    assert err.endswith("The weights of the last step, 6, are kept.\n")


# --- any text, scored by a run --------------------------------------------------------------


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """A folder of runs by characters and by words of one text, and that text."""
    folder = tmp_path_factory.mktemp("readers")
    file = folder / "own.txt"
    file.write_text("the cat sat on the mat and the dog sat on the <unk> rug.\n" * 60)
    for tokenizer in ("char", "word"):
        lm.train(
            file, "linear", steps=3, context_length=4, batch_size=2, threads=1, name=tokenizer,
            tokenizer=tokenizer, store=folder / "runs",
        )  # fmt: skip
    return folder / "runs", file


def test_evaluate_scores_all_of_any_text(say, readers):
    runs_dir, file = readers
    status, out, err = say("evaluate", "char", "--text", str(file), "--json", runs_dir=runs_dir)
    result = last_json(out)
    n_chars = len(file.read_text())
    assert status == 0
    assert (result["n_chars"], result["n_tokens"]) == (n_chars, n_chars)
    assert (result["dataset"], result["split_part"]) == (str(file), "all of the file")
    assert f"All of {file} is scored: {n_chars:,} characters" in err
    run = RunStore(runs_dir).get("char")
    assert lm.evaluate(run, file).loss == result["loss"]
    wide = file.with_name("wide.txt")
    wide.write_bytes(file.read_text().encode("utf-32"))
    by_its_mark = say("evaluate", "char", "--text", str(wide), "--json", runs_dir=runs_dir)
    assert last_json(by_its_mark[1])["loss"] == result["loss"]
    assert "The file is UTF-32, as its byte order mark says." in by_its_mark[2]
    named = ["--text", str(file), "--encoding", "windows-1252", "--json"]
    assert (
        last_json(say("evaluate", "char", *named, runs_dir=runs_dir)[1])["loss"] == result["loss"]
    )
    assert lm.evaluate(run, "test") == run.status.test


def test_a_text_is_scored_where_the_runs_own_is_gone(say, readers, tmp_path):
    runs_dir, file = readers
    other, away = tmp_path / "other.txt", tmp_path / "away.txt"
    other.write_text("the dog sat on the cat.\n")
    file.rename(away)
    try:
        assert say("evaluate", "char", "--text", str(other), runs_dir=runs_dir)[0] == 0
    finally:
        away.rename(file)


def test_unknown_words_are_spelt_and_unknown_characters_refused(say, readers, tmp_path):
    runs_dir, _ = readers
    other = tmp_path / "other.txt"
    other.write_text("the dinosaur sat on the é.\n" * 3)
    status, out, _ = say("evaluate", "word", "--text", str(other), "--json", runs_dir=runs_dir)
    assert status == 0
    assert last_json(out)["spelling_bits_per_char"] > 0
    error = refused(say("evaluate", "char", "--text", str(other), runs_dir=runs_dir))
    assert "'é'" in error
    assert "not in this model's alphabet" in error


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--hybrid"], "so --hybrid does not go with it"),
        (["--split-part", "test"], "so --split-part does not go with it"),
        (["--text", "no/such.txt"], "There is no file"),
    ],
)
def test_what_does_not_go_with_a_text_is_a_sentence(say, readers, flags, words):
    runs_dir, file = readers
    error = refused(say("evaluate", "char", "--text", str(file), *flags, runs_dir=runs_dir))
    assert words in error
