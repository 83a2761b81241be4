"""The command line: what it prints, what it refuses and in which words."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lm
from lm.architectures.transformer.config import TransformerConfig
from lm.base.files import PROJECT
from lm.base.settings import settings
from lm.cli import app as cli
from lm.cli.app import main
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.prepare import prepare
from lm.updates.config import TrainingConfig

TRAIN_KEYS = [
    *("run_id", "path", "architecture", "dataset", "n_params", "steps", "tokens"),
    *("flops", "flops_forward", "flops_backward", "flops_optimizer", "flops_per_step"),
    *("train_loss", "val_loss", "test_loss", "val_bits_per_char", "seconds"),
]
CORPUS = ["--dataset", "known_entropy", "--set", "data.n_chars=3000"]
TINY = ["--set", "model.context_length=4", "--set", "training.batch_size=2"]
TINY += ["--set", "training.threads=1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder of runs with one trained linear model, named first."""
    folder = tmp_path_factory.mktemp("runs")
    command = ["train", *CORPUS, *TINY, "--architecture", "linear", "--steps", "6"]
    assert main([*command, "--name", "first", "--runs-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def say(home, capsys):
    """Run a command on `home`: status, stdout, stderr."""

    def run(*argv, runs_dir=home):
        status = main([*argv, "--runs-dir", str(runs_dir)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def refused(result) -> str:
    """The one sentence of a refusal."""
    status, out, err = result
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert err.strip().endswith((".", "?"))
    return err


def last_json(out: str):
    return json.loads(out.splitlines()[-1])


# --- what commands print ------------------------------------------------------------------


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
    assert list(result) == ["measured", "formula", "modules"]
    assert list(result["formula"]) == ["forward", "backward", "optimizer", "total"]
    assert result["measured"] == result["formula"]
    assert sum(module["total"] for module in result["modules"]) == result["formula"]["total"]
    table = say(*command)[1]
    assert f"{result['formula']['total']:,}" in table
    assert "7 rows of 64 tokens" in table
    assert "blocks.2.attention" in table


def test_flops_counts_rows_of_context_length(say):
    command = ["flops", "--architecture", "mlp", "--set", "training.sequence_length=99", "--json"]
    command += ["--set", "model.context_length=5", "--set", "model.n_layers=1"]
    command += [
        "--preset",
        "study",
        "--set",
        "model.d_embed=2",
        "--set",
        "model.d_hidden=3",
        "--batch-size",
        "2",
    ]
    formula = last_json(say(*command)[1])["formula"]
    assert formula["forward"] == 2 * 10 * (5 * 2 * 3 + 3 * 65)


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


def test_data_lists_every_corpus(say):
    for command in (["data"], ["data", "list"]):
        status, out, _ = say(*command)
        assert status == 0
        for word in ("tiny_shakespeare", "public domain", "--consent", "needs no file"):
            assert word in out


def test_help_names_every_setting(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for section, config in (
        ("model", TransformerConfig),
        ("training", TrainingConfig),
        ("data", DataConfig),
    ):
        for name in settings(config):
            assert f"{section}.{name}: " in text


# --- what commands refuse -----------------------------------------------------------------

TRAIN = ["train", *CORPUS]
NUMERIC = [
    (section, field)
    for section, config in (("model", TransformerConfig), ("training", TrainingConfig))
    for field in settings(config).values()
    if field.kind in ("int", "float")
]


@pytest.mark.parametrize(("section", "field"), NUMERIC, ids=[f"{s}.{f.name}" for s, f in NUMERIC])
def test_numbers_out_of_range(say, section, field):
    for value in (f"{field.minimum - 1:g}", f"{2 * field.maximum + 1:g}", "nan", "x", ""):
        sentence = refused(say("flops", "--set", f"{section}.{field.name}={value}"))
        assert field.name in sentence
        assert " must " in sentence
        assert "Received: " in sentence


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "COMMAND"),
        (["trian"], "Did you mean train?"),
        (["dance"], "There are train, flops"),
        (["train", "--stpes", "3"], "Did you mean --steps?"),
        (["train", "surplus", "--steps", "3"], "no further argument"),
        (["train", "--steps"], "--steps"),
        (["evaluate"], "RUN"),
        (["train", "--runs-dir"], "--runs-dir"),
        (TRAIN, "budget, steps and epochs exclude each other; give one. Received: none"),
        ([*TRAIN, "--steps", "3", "--budget", "1e9"], "exclude each other"),
        ([*TRAIN, "--steps", "3", "--set", "training.steps=3"], "given twice"),
        ([*TRAIN, "--budget", "10"], "budget must pay for at least one step"),
        ([*TRAIN, "--budget", "-1e12"], "budget must be a number above 0"),
        ([*TRAIN, "--budget", "lots"], "budget must be a number"),
        ([*TRAIN, "--steps", "0"], "steps must be a whole number from 1"),
        ([*TRAIN, "--steps", "-3"], "steps must be a whole number from 1"),
        ([*TRAIN, "--epochs", "0"], "epochs must be a number above 0"),
        ([*TRAIN, "--steps", "3", "--seed", "-1"], "seed must be a whole number from 0"),
        ([*TRAIN, "--steps", "3", "--device", "tpu"], "device must be one of auto, cpu"),
        ([*TRAIN, "--steps", "3", "--architecture", "rnn"], "architecture must be one of"),
        ([*TRAIN, "--steps", "3", "--preset", "modem"], "preset must be one of"),
        ([*TRAIN, "--steps", "3", "--tokenizer", "morse"], "tokenizer must be one of"),
        ([*TRAIN, "--steps", "3", "--split", "nanogpt"], "split 'nanogpt' belongs to"),
        (["train", "--steps", "3", "--dataset", "klingon"], "dataset must be one of"),
        (["train", "--steps", "3", "--dataset", "text"], "text_path goes with"),
        ([*TRAIN, "--steps", "3", "--text", "x.txt"], "text_path goes with"),
        (["train", "--steps", "3", "--text", "no/such.txt"], "There is no file"),
        ([*TRAIN, "--steps", "3", "--set", "n_layers=2"], "SECTION.NAME=VALUE"),
        ([*TRAIN, "--steps", "3", "--set", "model.n_layers"], "SECTION.NAME=VALUE"),
        ([*TRAIN, "--steps", "3", "--set", "modle.n_layers=2"], "SECTION.NAME=VALUE"),
        ([*TRAIN, "--steps", "3", "--set", "model.n_layer=2"], "Did you mean n_layers?"),
        ([*TRAIN, "--steps", "3", "--set", "model.architecture=mlp"], "no model setting"),
        ([*TRAIN, "--steps", "3", "--set", "model.n_heads=7"], "divisible by n_heads"),
        ([*TRAIN, "--steps", "3", "--set", "model.context_length=4000"], "train split must hold"),
        ([*TRAIN, "--steps", "3", "--set", "training.sequence_length=x"], "sequence_length must"),
        (["train", "--steps", "3", "--set", "data.n_chars=5"], "n_chars must be"),
        ([*TRAIN, "--steps", "3", "--name", "a\nb"], "name must be"),
        (["flops", "--vocab-size", "0"], "vocab_size must be a whole number from 2"),
        (["flops", "--batch-size", "0"], "batch_size must be a whole number from 1"),
        (["flops", "--architecture", "mlp", "--preset", "nanogpt"], "belongs to architecture"),
        (["resume", "nobody"], "No run in"),
        (["evaluate", "frist"], "Did you mean first?"),
        (["evaluate", "first", "--split-part", "train"], "one of valid, test"),
        (["sample", "first", "--tokens", "0"], "tokens must be a whole number from 1"),
        (["sample", "first", "--temperature", "-1"], "temperature must be a number from 0"),
        (["sample", "first", "--top-k", "0"], "top_k must be a whole number from 1"),
        (["sample", "first", "--top-p", "1.5"], "top_p must be a number above 0"),
        (["sample", "first", "--min-p", "nan"], "min_p must be a number from 0"),
        (["sample", "first", "--seed", "1e99"], "seed must be a whole number"),
        (["sample", "first", "--prompt", "--€"], "'€'"),
        (["sample", "first", "--prompt", "😀\udcff"], "not in this model's alphabet"),
        (["data", "upload"], "data takes list, or download"),
        (["data", "download"], "Name what to download"),
        (["data", "download", "ptp"], "Did you mean ptb?"),
        (["data", "download", "known_entropy"], "needs no download"),
        (["data", "download", "ptb"], "--consent"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_sentence(say, home, argv, words):
    before = sorted(home.iterdir())
    if argv:
        assert words in refused(say(*argv))
    else:
        assert main([]) == 2
    assert sorted(home.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a", "1 character"),
        (b"abc\n" * 30, "must hold at least"),
        (b"ab\0cd" * 99, "NUL"),
        ("né".encode() * 99 + b"\xff\xfe", "UTF-8"),
    ],
)
def test_bad_texts_are_one_sentence(say, tmp_path, content, words):
    file = tmp_path / "bad.txt"
    file.write_bytes(content)
    command = ["train", "--text", str(file), "--steps", "2", "--set", "model.context_length=512"]
    assert words in refused(say(*command, runs_dir=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["sample", "evaluate"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 99, None])
def test_damaged_checkpoints_are_one_sentence(say, home, tmp_path, command, damage):
    run = RunStore(home).get("first")
    shutil.copytree(run.path, tmp_path / run.run_id)
    weights = tmp_path / run.run_id / "model.safetensors"
    if damage is None:
        weights.unlink()
    else:
        weights.write_bytes(damage)
    assert "model.safetensors" in refused(say(command, "first", runs_dir=tmp_path))


def test_a_damaged_run_does_not_hide_the_others(say, home, tmp_path):
    shutil.copytree(RunStore(home).get("first").path, tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{")
    status, out, err = say("runs", runs_dir=tmp_path)
    assert status == 0
    assert "good" in out
    assert "damaged" in err


def test_operating_system_errors_are_one_sentence(say, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    command = [*TRAIN, *TINY, "--steps", "2", "--architecture", "linear"]
    assert str(file) in refused(say(*command, runs_dir=file))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.safetensors")

    monkeypatch.setattr(cli, "execute", full)
    status, out, err = say(*command, runs_dir=tmp_path / "runs")
    assert (status, out) == (2, "")
    assert "model.safetensors: No space left" in err.splitlines()[-1]


def test_too_little_memory_is_one_sentence(say, tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 TB")

    monkeypatch.setattr(cli, "execute", full)
    status, _, err = say(*TRAIN, *TINY, "--steps", "2", runs_dir=tmp_path)
    assert status == 2
    assert err.splitlines()[-1].startswith("Memory ran out.")


def test_a_diverging_training_says_so(say, tmp_path):
    command = [*TRAIN, *TINY, "--architecture", "mlp", "--steps", "60"]
    for name, value in (("learning_rate", 100), ("optimizer", "sgd"), ("grad_clip", 0)):
        command += ["--set", f"training.{name}={value}"]
    status, out, err = say(*command, runs_dir=tmp_path)
    assert (status, out) == (1, "")
    assert "Lower the learning rate" in err.splitlines()[-1]
    assert say("resume", RunStore(tmp_path).list()[0].run_id, runs_dir=tmp_path)[0] == 2


# --- processes ----------------------------------------------------------------------------


def process(*argv, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "lm", *argv],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_looking_costs_no_torch(home):
    script = (
        "import sys, lm; from lm.cli import main; "
        f"main(['runs', '--runs-dir', {str(home)!r}]); main(['data']); "
        "main(['resume', 'nobody']); "
        "assert not {'torch', 'pandas', 'streamlit', 'altair'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True, capture_output=True)


LONG = ["train", *CORPUS, *TINY, "--architecture", "linear", "--steps", "1500", "--json"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of a run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert main([*LONG, "--runs-dir", str(folder)]) == 0
    return RunStore(folder).list()[0].weights_path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path, number, undisturbed):
    training = process(*LONG, "--runs-dir", str(tmp_path))
    head = [training.stderr.readline() for _ in range(2)]  # the run's line, then 10 %
    training.send_signal(number)
    out, err = training.communicate(timeout=120)
    assert "10%" in head[1]
    assert (training.returncode, out) == (130, "")
    assert "Traceback" not in err
    run_id = re.search(r"Go on with: python -m lm resume (\S+) --runs-dir", err)[1]
    run = RunStore(tmp_path).get(run_id)
    assert run.state == "paused"
    assert 150 <= run.status.step < 1500
    assert signal.Signals(number).name in run.reason
    assert main(["resume", run_id, "--runs-dir", str(tmp_path)]) == 0
    assert run.weights_path.read_bytes() == undisturbed


def test_a_reader_may_leave(home):
    sample = process("sample", "first", "--tokens", "100000", "--runs-dir", str(home))
    sample.stdout.read(10)
    sample.stdout.close()
    assert sample.stderr.read() == ""
    assert sample.wait(timeout=60) == 0
    sample.stderr.close()


def test_text_streams(home):
    sample = process("sample", "first", "--tokens", "1000000", "--runs-dir", str(home))
    started_at = time.monotonic()
    assert len(sample.stdout.read(20)) == 20
    assert sample.poll() is None
    sample.send_signal(signal.SIGINT)
    sample.communicate(timeout=60)
    assert sample.returncode == 130
    assert time.monotonic() - started_at < 60


def test_the_notebook_door():
    for name in lm.__all__:
        assert getattr(lm, name).__name__ == name
    assert set(lm.__all__) <= set(dir(lm))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lm.nothing  # noqa: B018
