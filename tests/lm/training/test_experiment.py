"""One run from its config to its results, stopped and carried on in every way but by force."""

import contextlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lm.architectures import ARCHITECTURES, build_model, model_config
from lm.architectures.linear.config import LinearConfig
from lm.architectures.mlp.config import MLPConfig
from lm.architectures.shared.model import load_weights
from lm.architectures.transformer.config import TransformerConfig
from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import DiskFullError, Run, RunBusyError, RunError, RunStore, RunWriter
from lm.runs.config import RunConfig
from lm.runs.engines import compiled_threads, eager_threads
from lm.runs.flops import step_flops
from lm.runs.plan import BudgetError, plan
from lm.runs.prepare import prepare
from lm.training import execute
from lm.training.device import DeviceError, keep_memory, resolve_device
from lm.training.evaluation import evaluate
from lm.training.milestones import evaluation_schedule, sample_schedule
from lm.updates.config import TrainingConfig

KNOWN = DataConfig(dataset="known_entropy", n_chars=2_000)
# dropout and two optimizers: all that a resumed run could get wrong
SMALL = TransformerConfig(
    context_length=16, d_model=16, d_ff=32, n_heads=2, n_layers=1, dropout=0.1
)
STEPS = 40


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def config(model: Any = SMALL, data: DataConfig = KNOWN, **training: Any) -> RunConfig:
    given = {"steps": STEPS, "batch_size": 4, "optimizer": "muon", **training}
    return RunConfig(data=data, model=model, training=TrainingConfig(**given))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return execute(prepare(config(), RunStore(tmp_path_factory.mktemp("undisturbed"))))


def results(run: Run) -> dict[str, Any]:
    """All that a run is for; nothing that depends on time."""
    rows = [{**row, "seconds": None} for row in run.rows()]
    status = {**run.status.to_dict(), "seconds": None, "updated_at": None}
    return {
        "weights": run.weights_path.read_bytes(),
        "rows": rows,
        "samples": run.samples().to_dict("records"),
        "status": status,
    }


def test_a_run_ends_with_everything_it_is_for(undisturbed):
    run, status = undisturbed, undisturbed.status
    assert run.state == "complete"
    assert status.step == status.n_steps == status.checkpoint_step == STEPS
    assert status.pid is None
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    assert status.flops == steps.flops
    assert status.tokens == steps.tokens
    metrics = run.metrics()
    assert metrics["step"].tolist() == list(range(1, STEPS + 1))
    assert metrics["flops"].iloc[-1] == steps.flops.total
    assert status.train_loss == pytest.approx(metrics["train_loss"].tail(4).mean())
    last = run.samples().iloc[-1]
    assert last["step"] == STEPS
    assert list(last["tokens"]) == list(last["text"])  # which are characters,
    assert len(last["tokens"]) == len(last["probabilities"]) > 0
    stored = (run.path / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert not any(json.loads(line)["tokens"] for line in stored)  # and not stored twice
    assert not run.training_state_path.exists()  # nothing goes on from it any more
    assert run.n_params == sum(tensor.numel() for tensor in load_file(run.weights_path).values())

    corpus = load(run.config.data, run.tokenizer())
    model = build_model(run.config.model, run.vocab_size)
    load_weights(model, load_file(run.weights_path))
    for split, stored in ((corpus.valid, status.valid), (corpus.test, status.test)):
        scored = evaluate(model, split)
        assert scored.loss == pytest.approx(stored.loss, rel=1e-5)
        assert (scored.n_tokens, scored.n_chars) == (stored.n_tokens, stored.n_chars)


def test_the_same_config_and_seed_give_the_same_run(store, undisturbed):
    again = execute(prepare(config(), store))
    assert results(again) == results(undisturbed)
    assert len(again.rows()) >= 20
    other = execute(prepare(config(seed=1), store))
    assert results(other)["weights"] != results(undisturbed)["weights"]


@pytest.mark.parametrize("pauses", [[1], [7, 8, 31], [STEPS - 1]])
def test_a_run_paused_anywhere_ends_where_an_undisturbed_one_ends(store, undisturbed, pauses):
    run = prepare(config(), store)
    for step in pauses:
        run = execute(run, until_step=step)
        assert (run.state, run.status.step) == ("paused", step)
        assert run.status.checkpoint_step == step
    run = execute(run)
    assert results(run) == results(undisturbed)


def test_a_run_in_two_processes_may_pause_too(store):
    settings = {"threads": 2, "optimizer": "adamw"}
    undisturbed = execute(prepare(config(**settings), store))
    run = prepare(config(**settings), store)
    assert execute(run, until_step=7).status.checkpoint_step == 7
    assert results(execute(run)) == results(undisturbed)
    alone = execute(prepare(config(optimizer="adamw"), store))
    assert results(alone)["weights"] != results(undisturbed)["weights"]
    assert alone.status.valid.loss == pytest.approx(undisturbed.status.valid.loss, abs=0.05)


def test_a_pause_between_two_records_loses_nothing(store):
    """More than 500 steps: a record has the mean of several, some from before the pause."""
    long = config(LinearConfig(context_length=2, d_embed=2), optimizer="adamw", steps=1_001)
    whole = execute(prepare(long, store))
    run = execute(prepare(long, store), until_step=500)
    assert run.rows()[-1]["step"] == 498
    assert results(execute(run)) == results(whole)


def test_a_run_killed_before_its_first_checkpoint_begins_again(store, undisturbed):
    run = prepare(config(), store)
    with RunWriter(run) as writer:  # as a kill leaves it
        writer.update(state="running", step=2, pid=1, now=True)
    (run.path / "metrics.jsonl").write_text('{"step": 1, "train_loss": 99.0, "tok')
    assert run.reload().state == "interrupted"
    assert results(execute(run)) == results(undisturbed)


def test_a_request_pauses_stops_and_is_forgotten(store, undisturbed):
    run = prepare(config(), store)

    def ask(request: str, at_step: int) -> Any:
        return lambda record: record.step == at_step and run.request(request)

    paused = execute(run, on_record=ask("pause", 5))
    assert (paused.state, paused.status.step) == ("paused", 5)
    stopped = execute(run, on_record=ask("stop", 9))
    assert (stopped.state, stopped.status.step, stopped.resumable) == ("stopped", 9, True)
    assert stopped.status.valid is None
    run.request("pause")  # of the past when the run goes on
    assert results(execute(run)) == results(undisturbed)


def test_the_caller_can_pause_with_a_reason(store):
    run = execute(prepare(config(), store), should_pause=lambda: "The lesson is over.")
    assert (run.state, run.reason, run.status.step) == ("paused", "The lesson is over.", 0)


def test_a_request_while_the_splits_are_scored_counts_at_once(store, undisturbed):
    run = prepare(config(), store)
    run = execute(run, on_record=lambda record: record.step == STEPS and run.request("stop"))
    assert (run.state, run.status.step) == ("stopped", STEPS)
    answers = iter([False] + [True] * 100)  # not before training, then inside the evaluation
    run = execute(run, should_pause=lambda: next(answers))
    assert (run.state, run.status.valid) == ("paused", None)
    assert results(execute(run)) == results(undisturbed)


def test_a_finished_run_is_returned_as_it_is(undisturbed):
    before = results(undisturbed)
    assert execute(undisturbed).state == "complete"
    assert results(undisturbed) == before


def test_the_second_of_two_processes_is_told(store):
    run = prepare(config(), store)
    with RunWriter(run), pytest.raises(RunBusyError, match="being trained by another process"):
        execute(run)
    assert run.reload().state == "created"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_within_its_budget(store, architecture):
    model = model_config(architecture, context_length=8)
    run = execute(prepare(config(model, steps=None, budget=3e8, optimizer="adamw"), store))
    assert run.state == "complete"
    assert 0.95 * 3e8 <= run.status.flops.total <= 3e8
    assert run.status.test.n_tokens > 0


# --- what follows from the config -----------------------------------------------------------------


@pytest.mark.parametrize("model", [LinearConfig(), MLPConfig(), SMALL])
@pytest.mark.parametrize("budget", [1e9, 1e10, 1e12])
def test_scoring_along_the_way_costs_a_twentieth_at_most(model, budget):
    settings = config(model, steps=None, budget=budget, optimizer="adamw")
    steps = plan(settings, 65, 1_000_000)
    at, n_tokens = evaluation_schedule(settings, steps, 65, 100_000)
    length = model.context_length
    row = step_flops(model, 65, batch_size=1, sequence_length=length).forward
    assert len(at) * n_tokens * 2 * row / length <= 0.05 * steps.flops.total
    assert len(at) <= 30
    if at:
        assert max(at) == steps.n_steps
        assert min(at) <= 0.1 * steps.n_steps
    assert 4 <= len(sample_schedule(steps)) <= 6


@pytest.mark.skipif("glibc" not in platform.libc_ver(), reason="keeping memory is for glibc")
def test_memory_that_a_step_frees_is_kept_for_the_next():
    resource = pytest.importorskip("resource")
    keep_memory()

    def faults() -> int:
        """Of taking and freeing 8, 4 and 12 MB; left alone, glibc hands back the last."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for n in (2, 1, 3):
            torch.ones(n * 2**20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert min(faults() for _ in range(6)) < 1_000  # else each takes 3,072 and more


def test_threads_suit_the_step():
    assert eager_threads(1e6) == compiled_threads(1e6) == 1
    assert eager_threads(1e12) == min(4, n_cores())
    assert compiled_threads(1e12) == min(2, n_cores())


# --- what cannot be ----------------------------------------------------------------------------


def test_what_cannot_be_trained_leaves_nothing_behind(store, tmp_path):
    with pytest.raises(BudgetError, match="at least one step"):
        prepare(config(steps=None, budget=10), store)
    short = tmp_path / "short.txt"
    short.write_text("To be, or not to be, that is the question.\n")
    text = DataConfig(dataset="text", text_path=str(short))
    with pytest.raises(ConfigError, match="train split must hold at least 65 tokens"):
        prepare(config(TransformerConfig(context_length=64), text), store)
    with pytest.raises(ConfigError, match="train split must hold at least 128 tokens"):
        prepare(config(LinearConfig(context_length=64), text, optimizer="sgd"), store)
    with pytest.raises(ConfigError, match=rf"threads must not exceed {n_cores():,}, the proc"):
        prepare(config(threads=n_cores() + 1), store)
    assert not store.root.exists() or not list(store.root.iterdir())


def test_a_run_may_have_the_threads_of_the_machine_that_will_train_it(store):
    more = n_cores() + 1
    run = prepare(config(threads=more), store, most_threads=more)
    assert run.facts.threads == more
    assert execute(run, until_step=1).state == "paused"  # it exists, and keeps what it stored


def test_a_changed_text_is_refused_and_put_back_is_trained(store, tmp_path):
    path = tmp_path / "mine.txt"
    text = "the cat sat on the mat and the dog sat on the cat.\n" * 40
    path.write_text(text)
    data = DataConfig(dataset="text", text_path=str(path))
    run = execute(prepare(config(data=data), store), until_step=3)
    path.write_text(text.replace("cat", "tac"))
    with pytest.raises(RunError, match="has changed since"):
        execute(run)
    stopped = run.reload()
    assert (stopped.state, stopped.resumable) == ("stopped", True)
    assert "sha256" in stopped.reason
    path.write_text(text)
    assert execute(run).state == "complete"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "is missing"), (b"", "is damaged"), (b"\x08" * 999, "is damaged")],
)
def test_a_lost_training_state_is_a_sentence(store, content, sentence):
    run = execute(prepare(config(), store), until_step=3)
    sound = run.training_state_path.read_bytes()
    if content is None:
        run.training_state_path.unlink()
    else:
        run.training_state_path.write_bytes(content)
    with pytest.raises(
        RunError, match=f"cannot be resumed: training_state.safetensors.*{sentence}"
    ):
        execute(run)
    run.training_state_path.write_bytes(sound)
    assert execute(run).state == "complete"


def test_a_training_state_of_another_model_is_a_sentence(store):
    run = execute(prepare(config(), store), until_step=3)
    other = execute(prepare(config(SMALL.replace(d_ff=48)), store), until_step=3)
    run.training_state_path.write_bytes(other.training_state_path.read_bytes())
    with pytest.raises(RunError, match="is damaged"):
        execute(run)


@pytest.mark.parametrize("grad_clip", [0.0, 1.0])
def test_a_training_that_diverges_fails_by_step_and_keeps_a_finite_checkpoint(store, grad_clip):
    wild = config(
        MLPConfig(n_layers=2, d_hidden=64, initialization="pytorch"),
        optimizer="sgd",
        learning_rate=0.5 if grad_clip else 100,
        schedule="constant",
        warmup_fraction=0,
        weight_decay=10 if grad_clip else 0,
        grad_clip=grad_clip,
    )
    run = prepare(wild, store)
    run = execute(run, until_step=1) if grad_clip else run
    with pytest.raises(ArithmeticError, match=r"step \d+"):
        execute(run)
    run = run.reload()
    assert (run.state, run.resumable) == ("failed", False)
    assert "step" in run.reason
    assert all(row["train_loss"] < float("inf") for row in run.rows())
    if run.status.checkpoint_step:
        assert all(tensor.isfinite().all() for tensor in load_file(run.weights_path).values())
    with pytest.raises(RunError, match="has failed and is not resumed"):
        execute(run)


def test_an_absent_device_is_a_sentence_and_auto_is_always_there():
    assert resolve_device("auto").type in ("cpu", "cuda")
    for name, there in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ):
        with contextlib.nullcontext() if there else pytest.raises(DeviceError, match=name):
            assert resolve_device(name).type == name


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", path]).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_full_disk_loses_nothing_but_time(small_disk, undisturbed):
    run = prepare(config(), RunStore(small_disk))
    run = execute(run, until_step=5)
    ballast = small_disk / "ballast"

    def fill(record: object) -> None:
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with pytest.raises(DiskFullError, match=r"is full.*free some space, then go on"):
        execute(run, on_record=fill)
    interrupted = run.reload()
    assert interrupted.resumable
    assert interrupted.status.checkpoint_step >= 5
    ballast.unlink()
    assert results(execute(run)) == results(undisturbed)


def test_the_meter_and_the_formula_must_agree(store, monkeypatch):
    from lm.base.flops import Cost

    monkeypatch.setattr(
        "lm.training.execution.measured_step_flops", lambda *_, **__: Cost(forward=1)
    )
    run = prepare(config(), store)
    with pytest.raises(RuntimeError, match=r"measured as .*forward=1.* by formula"):
        execute(run)
    assert run.reload().state == "failed"


def test_facts_say_what_followed_from_the_config(undisturbed):
    run = undisturbed
    steps = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    assert run.facts.flops_per_step == steps.step
    assert run.facts.flops == steps.flops
    assert run.facts.threads == 1
    assert run.facts.sha256 == load(KNOWN).sha256
