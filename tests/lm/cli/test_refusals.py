"""What commands refuse, and in which words."""

import errno
import os
import re
import shutil

import pytest

import lm
from lm.architectures import ARCHITECTURES
from lm.architectures.transformer.config import TransformerConfig
from lm.base.files import PROJECT
from lm.base.machine import n_cores
from lm.base.settings import ConfigError, settings
from lm.cli import main, working
from lm.datasets import load
from lm.runs import RunStore
from lm.runs.prepare import check_length
from lm.updates.config import TrainingConfig
from tests.lm.cli.said import CORPUS, TINY, refused

TRAIN = ["train", *CORPUS]
LAST_OF_SEVEN = ["--set", "training.objective=last_position", "--set", "training.sequence_length=7"]
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
        (
            ["train", "--dataset", "text"],
            "a text of your own: name its file as text_path, or as --text",
        ),
        (["ngram", "--dataset", "text"], "name its file"),
        ([*TRAIN, "--steps", "3", "--text", "x.txt"], "text_path goes with"),
        (["train", "--steps", "3", "--text", "no/such.txt"], "There is no file"),
        ([*TRAIN, "--steps", "3", "--set", "n_layers=2"], "SECTION.NAME=VALUE"),
        ([*TRAIN, "--steps", "3", "--set", "model.n_layers"], "SECTION.NAME=VALUE"),
        ([*TRAIN, "--steps", "3", "--set", "modle.n_layers=2"], "SECTION.NAME=VALUE"),
        ([*TRAIN, "--steps", "3", "--set", "model.n_layer=2"], "Did you mean n_layers?"),
        (
            [*TRAIN, "--steps", "3", "--set", "model.architecture=mlp"],
            "no setting model.",
        ),
        ([*TRAIN, "--steps", "3", "--set", "model.n_heads=7"], "divisible by n_heads"),
        ([*TRAIN, "--steps", "3", "--set", "model.context_length=4000"], "train split must hold"),
        ([*TRAIN, "--steps", "3", "--set", "training.sequence_length=x"], "sequence_length must"),
        (["train", "--steps", "3", "--set", "data.n_chars=5"], "n_chars must be"),
        ([*TRAIN, "--steps", "3", "--name", "a\nb"], "name must be"),
        ([*TRAIN, "--steps", "3", "--set", "training.threads=1000"], f"exceed {n_cores():,}, the"),
        (["flops", "--vocab-size", "0"], "vocab_size must be a whole number from 2"),
        (["flops", "--batch-size", "0"], "batch_size must be a whole number from 1"),
        (["flops", "--architecture", "mlp", "--preset", "nanogpt"], "belongs to architecture"),
        (["flops", "--set", "training.sequence_length=65"], "must not exceed model.context_length"),
        (
            ["flops", "--architecture", "mlp", *LAST_OF_SEVEN],
            "sequence_length has no effect on mlp with training.objective=last_position",
        ),
        (["train", "--prompt=-x"], "no option '--prompt'"),
        (["train", "--steps", "--json"], "--steps needs a value"),
        (["resume", "nobody"], "is called 'nobody'"),
        (["sample", "ckpt.pt"], "ckpt.pt is a file of weights. A run is the folder"),
        (["sample", str(PROJECT / "lm")], "is not a run: it has no config.json"),
        (["evaluate", "frist"], "Did you mean 'first'?"),
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("given", [{}, {"context_length": 64}, {"sequence_length": 48}])
@pytest.mark.parametrize("n_chars", [20, 40, 79])
def test_what_is_advised_for_a_short_text_makes_it_long_enough(
    tmp_path, architecture, given, n_chars
):
    file = tmp_path / "short.txt"
    file.write_text("abcd" * (n_chars // 4 + 1))
    if "sequence_length" in given and ARCHITECTURES[architecture].config().longest_row:
        given = {**given, "context_length": 48}
    corpus = load(lm.resolve(file, architecture, steps=1).data)

    def check(**settings):
        check_length(lm.resolve(file, architecture, steps=1, **settings), corpus)

    try:
        check(**given)
    except ConfigError as error:
        advised = re.findall(r"(?:model|training)\.(\w+) to ([\d,]+)", str(error))
        assert advised
        check(**{**given, **{name: int(value) for name, value in advised}})


@pytest.mark.parametrize("now", ["the dog sat on the cat. ", "other letters, too! "])
def test_a_run_is_not_scored_on_another_text(say, tmp_path, now):
    file, runs_dir = tmp_path / "own.txt", tmp_path / "runs"
    file.write_text("the cat sat on the dog. " * 40)
    command = ["train", "--text", str(file), *TINY, "--architecture", "linear", "--steps", "2"]
    assert say(*command, "--name", "cats", runs_dir=runs_dir)[0] == 0
    assert say("evaluate", "cats", runs_dir=runs_dir)[0] == 0
    file.write_text(now * 40)
    words = "own.txt has changed since cats was made from it"
    assert words in refused(say("evaluate", "cats", runs_dir=runs_dir))


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

    monkeypatch.setattr(working, "execute", full)
    status, out, err = say(*command, runs_dir=tmp_path / "runs")
    assert (status, out) == (2, "")
    assert "model.safetensors: No space left" in err.splitlines()[-1]


def test_too_little_memory_is_one_sentence(say, tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 TB")

    monkeypatch.setattr(working, "execute", full)
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


def test_a_run_that_failed_is_said_to_have_failed(say, tmp_path):
    command = [
        "train",
        *CORPUS,
        *TINY,
        "--architecture",
        "linear",
        "--steps",
        "60",
        "--name",
        "wild",
    ]
    wild = ["--set", "training.learning_rate=100", "--set", "training.grad_clip=0"]
    assert say(*command, *wild, runs_dir=tmp_path)[0] == 1
    for weights in tmp_path.glob("*/model.safetensors"):  # where a checkpoint was due in time
        weights.unlink()
    for command in ("evaluate", "sample"):
        error = refused(say(command, "wild", runs_dir=tmp_path))
        assert error.startswith("wild has failed and has no weights. ")
        assert "Lower the learning rate" in error
