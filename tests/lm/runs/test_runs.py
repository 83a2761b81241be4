"""Runs on disk: the format, its readers, and the one writer."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save

from lm.architectures.linear.config import LinearConfig
from lm.base.files import PROJECT
from lm.base.flops import Cost
from lm.base.records import Evaluation, Sample, StepRecord
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import train_tokenizer
from lm.runs import (
    BrokenRunError,
    DiskFullError,
    Facts,
    Run,
    RunBusyError,
    RunError,
    RunNotFoundError,
    RunStore,
    RunWriter,
    ShippedRunError,
    Status,
    is_locked,
)
from lm.runs.archive import pack, unpack
from lm.runs.config import RunConfig
from lm.updates.config import TrainingConfig

GOLDEN = Path(__file__).parents[2] / "golden" / "v1"
FACTS = Facts(
    vocab_size=3,
    n_params=7,
    n_steps=10,
    flops_per_step=Cost(forward=10, backward=20),
    flops=Cost(forward=100, backward=200),
    tokens=1_000,
    n_train_tokens=5_000,
    sha256="0" * 64,
    threads=1,
    torch="2.13.0",
    python="3.11.7",
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def create(store: RunStore, name: str | None = None) -> Run:
    config = RunConfig(
        data=DataConfig(dataset="known_entropy"),
        model=LinearConfig(),
        training=TrainingConfig(steps=10),
    )
    return store.create(config, tokenizer=train_tokenizer("char", "abc"), facts=FACTS, name=name)


def record(step: int, loss: float = 1.0) -> StepRecord:
    return StepRecord(
        step=step,
        tokens=step * 10,
        flops=step * 100,
        seconds=step / 10,
        train_loss=loss,
        learning_rate=0.01,
        grad_norm=0.5,
    )


def sample(step: int) -> Sample:
    return Sample(step=step, prompt="a", text="b\n", temperature=0.8, seed=0)


# --- the format -------------------------------------------------------------------------------


def test_the_golden_run_of_version_1_reads_as_it_was_written():
    run = RunStore(GOLDEN).get("complete")
    assert (run.name, run.state, run.shipped, run.resumable) == ("golden", "complete", False, False)
    assert run.config.model == LinearConfig(context_length=2, d_embed=2)
    assert run.config.data == DataConfig(dataset="known_entropy", n_chars=1000, seed=0)
    assert run.config.training == TrainingConfig(steps=3, batch_size=2, sequence_length=4)
    assert (run.n_params, run.n_steps, run.vocab_size) == (168, 3, 24)
    assert run.status.flops.to_dict() == {
        "forward": 4608,
        "backward": 9216,
        "optimizer": 0,
        "total": 13824,
    }
    assert run.status.step == run.status.checkpoint_step == 3
    assert run.status.tokens == 24
    assert run.status.valid == Evaluation(
        total_nats=317.8705298645124, n_tokens=101, n_chars=101, spelling_nats=0.0
    )
    assert run.status.test == Evaluation(
        total_nats=395.2759797317609, n_tokens=125, n_chars=125, spelling_nats=0.0
    )
    metrics = run.metrics()
    assert metrics["step"].tolist() == [1, 2, 3]
    assert metrics["flops"].tolist() == [4608, 9216, 13824]
    assert metrics["train_loss"].iloc[0] == pytest.approx(3.1780538)  # ln 24
    assert run.samples()["prompt"].nunique() == 1
    assert "".join(run.samples()["tokens"].iloc[-1]) == run.samples()["text"].iloc[-1]
    assert run.tokenizer().vocab_size == 24


def test_a_golden_run_of_version_1_goes_on(tmp_path):
    from lm.training import execute

    shutil.copytree(GOLDEN / "paused", tmp_path / "paused")
    run = RunStore(tmp_path).get("paused")
    assert (run.state, run.status.step, run.n_steps) == ("paused", 2, 3)
    assert execute(run).state == "complete"


def test_a_later_schema_version_is_refused_by_name(store):
    run = create(store)
    path = run.path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "schema_version": 99}))
    with pytest.raises(BrokenRunError, match="schema_version is 99; this program reads up to 2"):
        store.get(run.run_id)


def test_status_survives_a_round_trip_and_unknown_keys():
    status = Status(state="paused", step=3, valid=Evaluation(total_nats=1.5, n_tokens=2, n_chars=3))
    values = json.loads(json.dumps(status.to_dict()))
    values["mood"] = "sunny"
    values["valid"]["mood"] = values["flops"]["mood"] = 1
    assert Status.from_dict(values) == status


def test_a_new_run_has_its_config_tokenizer_and_status_and_is_created(store):
    run = create(store, name="first")
    assert {file.name for file in run.path.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "status.json",
    }
    assert (run.state, run.name, run.resumable) == ("created", "first", True)
    assert run.metrics().empty
    assert run.samples().empty
    assert [run.run_id] == [other.run_id for other in store.list()]
    assert [path.name for path in store.root.iterdir()] == [run.run_id]  # nothing half-made


def test_reading_runs_imports_no_torch():
    code = "import sys, lm.runs, lm.runs.prepare, lm.jobs; sys.exit('torch' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0


# --- finding ----------------------------------------------------------------------------------


def test_a_run_is_found_by_id_prefix_name_and_path(store, monkeypatch):
    first, second = create(store, name="my run"), create(store)
    monkeypatch.chdir(first.path)
    for ref in (".", first.run_id, first.run_id[:-1], "my run", first.path, str(first.path)):
        assert store.get(ref).run_id == first.run_id
    assert RunStore(store.root / "elsewhere").get(second.path).run_id == second.run_id


def test_an_ambiguous_or_unknown_name_is_a_sentence_with_candidates(store):
    with pytest.raises(RunNotFoundError, match="There are no runs yet"):
        store.get("x")
    runs = [create(store, name="alpha"), create(store, name="beta")]
    with pytest.raises(RunNotFoundError, match="could be any of") as caught:
        store.get("linear")
    assert all(run.run_id in str(caught.value) for run in runs)
    with pytest.raises(RunNotFoundError, match="Did you mean 'alpha'"):
        store.get("alpa")
    with pytest.raises(RunNotFoundError, match=r"There are 'beta' and 'alpha'\.$"):
        store.get("zzz")
    for ref in ("", ".", "..", "zzz", "a\0b", "x" * 9_999):
        with pytest.raises(RunNotFoundError, match=r"is called|could be"):
            store.get(ref)


def test_a_name_changes_without_touching_config(store):
    run = create(store)
    before = (run.path / "config.json").read_bytes()
    assert store.rename(run, " new name ").name == "new name"
    assert store.get("new name").run_id == run.run_id
    assert (run.path / "config.json").read_bytes() == before
    for bad in ("", "  ", "a\nb", "x" * 81):
        with pytest.raises(RunError, match="1 to 80 characters"):
            store.rename(run, bad)


@pytest.mark.parametrize("damage", ["empty", "torn", "list", "missing", "bad value", "bad type"])
def test_a_damaged_run_is_a_sentence_and_hides_no_other(store, damage):
    good, bad = create(store), create(store)
    path = bad.path / "config.json"
    config = json.loads(path.read_text())
    if damage == "missing":
        path.unlink()
    elif damage == "bad value":
        config["model"]["context_length"] = -3
        path.write_text(json.dumps(config))
    elif damage == "bad type":
        path.write_text(json.dumps({**config, "data": 7}))
    else:
        path.write_text({"empty": "", "torn": '{"schema_ver', "list": "[]"}[damage])
    scan = store.scan()
    assert [run.run_id for run in scan.runs] == [good.run_id]
    assert list(scan.broken) == [bad.path]
    assert "damaged" in scan.broken[bad.path]
    assert "config.json" in scan.broken[bad.path] or damage == "bad type"


def test_strangers_in_the_folder_are_not_runs(store):
    run = create(store)
    (store.root / "notes.txt").write_text("hello")
    (store.root / "empty").mkdir()
    (store.root / ".hidden").mkdir()
    scan = store.scan()
    assert [other.run_id for other in scan.runs] == [run.run_id]
    assert not scan.broken


def test_a_thousand_runs_are_listed_in_a_second_and_a_half(store):
    run = create(store)
    for i in range(1_000):
        shutil.copytree(run.path, store.root / f"copy-{i:04}")
    started_at = time.process_time()
    runs = store.list()
    assert time.process_time() - started_at < 1.5
    assert len({run.run_id for run in runs}) == 1_001
    assert len(store.dataframe()) == 1_001


def test_the_dataframe_has_settings_and_results_by_column(store):
    run = create(store)
    with RunWriter(run) as writer:
        scored = Evaluation(total_nats=20.0, n_tokens=10, n_chars=20)
        writer.update(state="complete", valid=scored, test=None, now=True)
    row = store.dataframe().iloc[0]
    assert row["model.context_length"] == 8
    assert row["training.steps"] == 10
    assert (row["val_loss"], row["state"]) == (2.0, "complete")
    assert row["test_loss"] is None or row["test_loss"] != row["test_loss"]


# --- writing ----------------------------------------------------------------------------------


def test_rows_are_appended_and_the_later_of_a_step_counts(store):
    run = create(store)
    with RunWriter(run) as writer:
        for step in (1, 2, 3):
            writer.append(record(step))
        writer.append(record(2, loss=9.0))
        writer.append_sample(sample(1))
    metrics = run.metrics()
    assert metrics["step"].tolist() == [1, 2, 3]
    assert metrics["train_loss"].tolist() == [1.0, 9.0, 1.0]
    assert metrics["sampled_val_loss"].isna().all()
    assert run.samples()["text"].tolist() == ["b\n"]


def test_a_torn_last_line_is_skipped_by_readers_and_cut_by_the_next_writer(store):
    run = create(store)
    path = run.path / "metrics.jsonl"
    with RunWriter(run) as writer:
        writer.append(record(1))
    with path.open("ab") as file:
        file.write(b'{"step": 2, "tok')
    assert run.metrics()["step"].tolist() == [1]
    with RunWriter(run) as writer:
        writer.append(record(2))
    assert run.metrics()["step"].tolist() == [1, 2]
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


def test_not_a_number_never_reaches_a_file(store):
    run = create(store)
    with RunWriter(run) as writer, pytest.raises(ValueError, match="JSON"):
        writer.append(record(1, loss=float("nan")))
    assert run.metrics().empty


def test_only_one_process_writes_and_the_other_is_told(store):
    run = create(store)
    with RunWriter(run):
        assert is_locked(run.path)
        with pytest.raises(RunBusyError, match="being trained by another process"), RunWriter(run):
            pass
        with pytest.raises(RunBusyError, match="stop it before you delete"):
            store.delete(run)
    assert not is_locked(run.path)
    with RunWriter(run):
        pass


def test_a_running_run_that_nobody_holds_is_interrupted(store):
    run = create(store)
    with RunWriter(run) as writer:
        writer.update(state="running", step=7, now=True)
        assert run.reload().state == "running"
    run = run.reload()
    assert (run.status.state, run.state, run.resumable) == ("running", "interrupted", True)
    assert "step 7" in run.reason
    assert "no checkpoint" in run.reason


def test_a_request_is_taken_once_and_an_old_one_is_of_the_past(store):
    run = create(store)
    with RunWriter(run) as writer:
        assert writer.take_request(since=0) is None
        run.request("pause")
        assert writer.take_request(since=0) == "pause"
        assert writer.take_request(since=0) is None
        run.request("stop")
        assert writer.take_request(since=time.time() + 1) is None
        assert writer.take_request(since=0) is None


def test_readers_never_see_half_a_status(store):
    """A reader at every moment of many replacements."""
    run = create(store)
    with RunWriter(run) as writer:
        for step in range(200):
            writer.update(step=step, reason="x" * step, now=True)
            assert run.reload().status.step == step


def _of(content: bytes):
    """What puts it into a file."""
    return lambda path: path.write_bytes(content)


def test_a_full_disk_is_a_sentence_and_keeps_the_last_checkpoint(store, monkeypatch):
    run = create(store)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunWriter(run) as writer:
        writer.checkpoint(3, _of(b"weights of 3"), _of(b"state of 3"))
        with monkeypatch.context() as patch:
            patch.setattr("lm.base.files.os.fsync", full)
            with pytest.raises(DiskFullError, match=r"is full.*go on"):
                writer.checkpoint(4, _of(b"weights of 4"), _of(b"state of 4"))
    assert run.training_state_path.read_bytes() == b"state of 3"
    assert run.weights_path.read_bytes() == b"weights of 3"
    assert run.reload().status.checkpoint_step == 3
    assert not list(run.path.glob(".*.tmp"))


# --- shipped runs -------------------------------------------------------------------------------


def test_a_shipped_run_is_read_and_never_changed(store):
    run = create(store)
    with pytest.raises(RunError, match="Only a run that has ended"):
        store.ship(run, "shipped-linear")
    with RunWriter(run) as writer:
        writer.append(record(1))
        weights = np.linspace(-3, 3, 1_000, dtype=np.float32)
        writer.checkpoint(10, _of(save({"head.weight": weights})), _of(b"state"))
        writer.update(state="complete", now=True)
    shipped = store.ship(run.reload(), "shipped-linear", halved=True)
    half = load_file(shipped.weights_path)["head.weight"]
    assert half.dtype == np.float16
    assert np.allclose(half, weights, rtol=1e-3)
    whole = store.ship(run.reload(), "shipped-whole")
    assert whole.weights_path.read_bytes() == run.weights_path.read_bytes()
    assert (shipped.shipped, shipped.state, shipped.resumable) == (True, "complete", False)
    assert len(shipped.metrics()) == 1
    assert {file.name for file in shipped.path.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "status.json",
        "metrics.jsonl",
        "model.safetensors",
    }
    for change in (store.delete, lambda run: store.rename(run, "mine"), RunWriter):
        with pytest.raises(ShippedRunError, match="came with the program"):
            change(shipped)
    assert store.get("shipped-linear") == shipped


@pytest.fixture
def packed(store):
    """A run and its twin in a collection, which took the place of its folder."""
    run = create(store)
    with RunWriter(run) as writer:
        for step in range(1, 11):
            writer.append(record(step))
            writer.append_sample(sample(step))
        writer.checkpoint(10, _of(b"weights"), _of(b"state"))
        writer.update(state="complete", step=10, now=True)
    run = run.reload()
    before = (run, run.metrics(), run.tokenizer())
    store.pack([run])
    return before, store.get(run.run_id)


def test_a_packed_run_is_the_run_that_it_was(store, packed):
    (run, metrics, tokenizer), twin = packed
    assert not run.path.exists()
    assert sorted(path.name for path in store.root.iterdir()) == [
        "metrics.parquet",
        "runs.parquet",
        "tokenizers.parquet",
    ]
    assert twin == replace(run, shipped=True, status=replace(run.status, pid=None))
    assert twin.metrics().equals(metrics)
    assert twin.tokenizer() == tokenizer
    assert list(twin.samples()["step"]) == [10]
    assert store.list() == [twin]
    assert [store.get(ref) for ref in (run.run_id, run.name, run.run_id[:-2], run.path)] == [
        twin
    ] * 4
    for change in (store.delete, lambda run: store.rename(run, "mine"), RunWriter):
        with pytest.raises(ShippedRunError, match="came with the program"):
            change(twin)


def test_a_collection_is_a_table_for_everybody(store, packed):
    _, twin = packed
    (row,) = pd.read_parquet(store.root / "runs.parquet").to_dict("records")
    assert (row["run_id"], row["state"], row["step"]) == (twin.run_id, "complete", 10)
    assert row["model.architecture"] == twin.config.model.architecture
    steps = pd.read_parquet(store.root / "metrics.parquet")
    assert list(steps["step"]) == list(range(1, 11))


def test_packing_again_changes_no_byte_and_drops_what_is_not_given(store, packed):
    _, twin = packed
    before = {path: path.read_bytes() for path in store.root.iterdir()}
    store.pack([twin])
    assert {path: path.read_bytes() for path in store.root.iterdir()} == before
    another = create(store)
    with RunWriter(another) as writer:
        writer.update(state="complete", now=True)
    store.pack([another.reload()])
    assert [run.run_id for run in store.list()] == [another.run_id]


def test_a_packed_run_is_exported_as_a_folder(store, packed):
    (_, metrics, tokenizer), twin = packed
    copy = unpack(pack(twin), RunStore(store.root.parent / "elsewhere"))
    assert (copy.path / "config.json").exists()
    assert not copy.shipped
    assert copy.tokenizer() == tokenizer
    assert copy.metrics().equals(metrics)
    assert copy.config == twin.config
    # where both have an id, the folder wins
    mine = unpack(pack(twin), store)
    assert store.get(mine.run_id) == mine
    assert store.list() == [mine]
    store.delete(mine)
    assert store.list() == [twin]


def test_only_a_run_that_has_ended_is_packed(store):
    run = create(store)
    with pytest.raises(RunError, match="Only a run that has ended"):
        store.pack([run])
    assert store.list() == [run]


def test_a_damaged_collection_is_named_and_hides_no_folder(store, packed):
    run = create(store)
    (store.root / "runs.parquet").write_bytes(b"PAR1 and no more")
    scan = store.scan()
    assert scan.runs == [run]
    assert "runs.parquet cannot be read" in scan.broken[store.root / "runs.parquet"]
    with pytest.raises(BrokenRunError, match=r"runs\.parquet cannot be read"):
        store.get(packed[1].run_id)


def test_git_carries_collections_and_ignores_the_user_s_runs():
    def ignored(path: str) -> bool:
        command = ["git", "check-ignore", "--quiet", "--no-index", path]
        return subprocess.run(command, cwd=PROJECT, check=False).returncode == 0

    if not (PROJECT / ".git").exists():
        pytest.skip("Not a clone.")
    for folder in ("ladder", "study"):
        assert not ignored(f"checkpoints/{folder}/runs.parquet")
        assert ignored(f"checkpoints/{folder}/mlp-ptb-0123456789/config.json")
    assert ignored("checkpoints/mlp-ptb-abcde/config.json")


def test_a_deleted_run_is_gone_and_its_writer_is_told(store):
    run = create(store)
    store.delete(run)
    assert store.list() == []
    assert list(store.root.iterdir()) == []
    with pytest.raises(RunNotFoundError, match="has been deleted"), RunWriter(run):
        pass


def test_the_root_is_the_environment_s_or_the_project_s(monkeypatch, tmp_path):
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path))
    assert RunStore().root == tmp_path
    monkeypatch.delenv("LM_RUNS_DIR")
    assert RunStore().root == Path(__file__).parents[3] / "checkpoints"
    assert RunStore(tmp_path / "nowhere").list() == []


def test_states_of_a_copy_do_not_depend_on_the_original(store):
    """A run shared by copying its folder is a run of its own."""
    run = create(store)
    shutil.copytree(run.path, store.root / "copy")
    with RunWriter(run) as writer:
        writer.update(state="paused", step=5, now=True)
    copy = store.get("copy")
    assert (copy.run_id, copy.state, copy.status.step) == ("copy", "created", 0)
    assert replace(copy.status, updated_at="") != run.reload().status
