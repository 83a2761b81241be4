"""Sweeps: what a file means, what it will take, and that nothing is trained twice."""

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

from lm.base.settings import ConfigError
from lm.cli import main
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.jobs import JobQueue
from lm.jobs.executors import EXECUTORS, open_executor
from lm.jobs.sweeps import Sweep, estimate, expand, find, run_names, run_sweep, stable_id
from lm.jobs.sweeps.running import MOST_TRIES
from lm.runs import Run, RunStore, RunWriter
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.training import execute

PROJECT = Path(__file__).parents[3]
BASE = {
    "dataset": "known_entropy",
    "data.n_chars": 3_000,
    "architecture": "linear",
    "steps": 20,
    "model.context_length": 4,
    "training.batch_size": 2,
}


def sweep(**axes) -> Sweep:
    return Sweep.from_dict({"name": "mine", "base": BASE, "axes": axes})


class Here:
    """The smallest executor: it trains what is submitted at once."""

    def __init__(self):
        self.submitted, self.errors = [], {}

    def submit(self, run):
        self.submitted.append(run.run_id)
        try:
            execute(run)
        except (ValueError, ArithmeticError) as error:
            self.errors[run.run_id] = str(error)

    def pause(self, run): ...

    def active(self):
        return []

    def waiting(self):
        return []

    def error(self, run):
        return self.errors.get(run.run_id)

    def most_threads(self):
        return 2

    def close(self): ...


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


# --- what a file means --------------------------------------------------------------------

FILE = """
[base]
dataset = "known_entropy"
data.n_chars = 3_000
steps = 3

[axes]
architecture = ["linear", "transformer"]
training.learning_rate = { from = 1e-3, to = 1e-1, count = 3 }
seed = [0, 1]
"""


def test_axes_are_multiplied_in_order(tmp_path):
    file = tmp_path / "rates.toml"
    file.write_text(FILE)
    read = Sweep.from_file(file)
    assert read.name == "rates"
    assert read.varied == ["architecture", "training.learning_rate", "seed"]
    found = [
        (config.model.architecture, config.training.learning_rate, config.training.seed)
        for config in expand(read)
    ]
    assert found == [
        (architecture, rate, seed)
        for architecture in ("linear", "transformer")
        for rate in (0.001, 0.01, 0.1)
        for seed in (0, 1)
    ]


def test_json_says_the_same_as_toml(tmp_path):
    import tomllib

    toml, json_file = tmp_path / "rates.toml", tmp_path / "rates.json"
    toml.write_text(FILE)
    json_file.write_text(json.dumps(tomllib.loads(FILE)))
    assert Sweep.from_file(json_file) == Sweep.from_file(toml)


def test_an_axis_of_tables_sets_several_settings_at_once():
    configs = expand(
        sweep(
            size=[
                {"architecture": "linear"},
                {"architecture": "mlp", "model": {"d_hidden": 8}, "model.n_layers": 1},
            ]
        )
    )
    assert [config.model.architecture for config in configs] == ["linear", "mlp"]
    assert (configs[1].model.d_hidden, configs[1].model.n_layers) == (8, 1)


def test_a_ladder_of_budgets_has_equal_ratios():
    ladder = {"from": 1e8, "to": 1e9, "count": 3}
    base = {name: value for name, value in BASE.items() if name != "steps"}
    read = Sweep.from_dict({"name": "ladder", "base": base, "axes": {"budget": ladder}})
    assert [config.training.budget for config in expand(read)] == [1e8, 3.16e8, 1e9]


def test_equal_runs_are_one_run():
    assert len(expand(sweep(seed=[0, 1, 0], **{"model.context_length": [4, 4.0]}))) == 2


def test_runs_take_one_thread_unless_told():
    assert expand(sweep())[0].training.threads == 1
    assert expand(sweep(**{"training.threads": [2]}))[0].training.threads == 2


def test_a_text_is_looked_for_beside_the_file(tmp_path):
    (tmp_path / "mine.txt").write_text("what I wrote, and what I wrote\n" * 40)
    file = tmp_path / "mine.toml"
    file.write_text('base = {text = "mine.txt", architecture = "linear", steps = 2}')
    config = expand(Sweep.from_file(file))[0]
    assert config.data == DataConfig(dataset="text", text_path=str(tmp_path / "mine.txt"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"axis": {}}, "A sweep has name, base, axes and weights. Received: 'axis'."),
        ({"name": 3}, "name must be text"),
        ({"base": []}, "base must be a table"),
        ({"base": {"sede": 1}}, "Did you mean seed?"),
        ({"base": {"model.": 1}}, "base: a setting is one of"),
        ({"base": {"seed": [1]}}, "base: seed must be one value"),
        ({"base": {"seed": 1, "training.seed": 2}}, "base: seed is given twice"),
        ({"axes": {"seed": 3}}, "axes.seed must be a list"),
        ({"axes": {"seed": []}}, "axes.seed must be a list"),
        ({"axes": {"seed": "123"}}, "axes.seed must be a list"),
        ({"axes": {"budget": {"from": 0, "to": 1, "count": 2}}}, "axes.budget: a ladder"),
        ({"axes": {"budget": {"from": 1, "to": 2, "count": 1}}}, "count of 2 to 100"),
        ({"axes": {"seed": list(range(200)), "steps": list(range(1, 100))}}, "19,800 runs"),
        ({"axes": {"seed": [1], "both": [{"seed": 1}]}}, "Two axes of s set seed"),
        (
            {"axes": {"model.d_model": [30]}},
            "s (model.d_model = 30): There is no setting model.d_model for linear. Its model has",
        ),
        ({"axes": {"seed": [0, -1]}}, "s (seed = -1): seed must be a whole number from 0"),
        ({"axes": {"budget": [1e10]}}, "s (budget = 1e+10): budget, steps and epochs exclude"),
        ({"axes": {"architecture": ["rnn"]}}, "s (architecture = rnn): architecture must be"),
        ({"axes": {"preset": ["nanogpt"]}}, "s (preset = nanogpt): preset 'nanogpt' belongs to"),
        ({"axes": {"dataset": ["klingon"]}}, "s (dataset = klingon): dataset must be one of"),
        ({"axes": {"model.context_length": [4000]}}, "train split must hold"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_sweep_is_one_sentence(values, words):
    base = {**BASE, **values["base"]} if isinstance(values.get("base"), dict) else BASE
    with pytest.raises(ConfigError) as caught:
        expand(Sweep.from_dict({"name": "s", "base": base, **values}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_budget_below_a_step_names_the_combination():
    base = {name: value for name, value in BASE.items() if name != "steps"}
    read = Sweep.from_dict({"name": "s", "base": base, "axes": {"budget": [1e9, 10]}})
    with pytest.raises(ConfigError, match=r"s \(budget = 10\): budget must pay for at least one"):
        expand(read)


@pytest.mark.parametrize("content", [b"\xff", b"[base", b"a = 1\na = 2"])
def test_a_file_that_is_no_sweep_is_one_sentence(tmp_path, content, capsys):
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    assert main(["sweep", str(file)]) == 2
    assert "bad.toml cannot be read as a sweep" in capsys.readouterr().err


def test_the_sweeps_that_come_along_can_be_expanded():
    base = {"dataset": "known_entropy", "data.n_chars": 200_000}
    for name in ("quick", "width"):
        read = Sweep.from_file(PROJECT / "sweeps" / f"{name}.toml")
        assert expand(Sweep(name=read.name, base={**read.base, **base}, axes=read.axes))


def test_the_sweep_behind_the_figures_of_the_recipes_can_be_expanded(real_corpora):
    read = Sweep.from_file(PROJECT / "sweeps" / "targets.toml")
    configs = expand(read)
    assert {config.preset for config in configs} == {"modern"}
    assert len(configs) == 3 * len(read.axes["what"])


# --- ids ----------------------------------------------------------------------------------


def test_ids_are_what_they_were():
    """An id that changed would have every shipped and every interrupted sweep trained anew."""
    (config,) = expand(Sweep(name="one", base={**BASE, "preset": "study"}))
    assert stable_id(config, "0" * 64) == "linear-known_entropy-76fa9c895c"
    modern = config.replace(preset="modern")  # by the recipe of before
    assert stable_id(modern, "0" * 64) == "linear-known_entropy-fa2269b08e"


def test_an_id_depends_on_every_setting_and_on_the_text():
    configs = expand(sweep(seed=[0, 1], **{"training.learning_rate": [0.01, 0.02]}))
    assert len({stable_id(config, "a") for config in configs}) == 4
    assert stable_id(configs[0], "a") != stable_id(configs[0], "b")


# --- what it will take --------------------------------------------------------------------


def test_an_estimate_adds_up_and_touches_nothing(store):
    configs = expand(sweep(seed=[0, 1, 2]))
    planned = estimate(configs, store, n_at_once=2)
    corpus = load(configs[0].data)
    flops = plan(configs[0], corpus.tokenizer.vocab_size, corpus.train.n_tokens).flops.total
    assert planned.flops_left == 3 * flops
    assert planned.seconds_left == pytest.approx(sum(run.seconds for run in planned.runs) / 2)
    assert [run.state for run in planned.runs] == ["new"] * 3
    assert not planned.measured
    assert not store.root.exists()


def test_what_is_done_is_not_estimated_again(store):
    configs = expand(sweep(seed=[0, 1, 2]))
    run_sweep(configs[:1], store, Here())
    started = prepare(configs[1], store, run_id=stable_id(configs[1], load(configs[1].data).sha256))
    execute(started, until_step=5)
    planned = estimate(configs, store)
    assert [run.state for run in planned.runs] == ["complete", "paused", "new"]
    assert [run.share_left for run in planned.runs] == [0, 0.75, 1]
    assert planned.n_left == 2
    assert planned.flops_left == pytest.approx(1.75 * planned.runs[0].flops)
    assert planned.flops_spent == pytest.approx(1.25 * planned.runs[0].flops)
    assert planned.seconds_spent == sum(run.status.seconds for run in store.list())


def test_a_sweep_that_is_done_says_what_it_took_and_what_it_found(file, tmp_path, capsys):
    runs_dir, plan = tmp_path / "runs", Sweep.from_file(file)
    run_sweep(expand(plan), RunStore(runs_dir), Here(), names=run_names(plan, expand(plan)))
    command = ["sweep", str(file), "--runs-dir", str(runs_dir)]
    assert main([*command, "--dry-run"]) == 0
    assert re.search(
        r"mine: 3 runs, and nothing left to train. They took [\d.]+ MFLOPs and",
        capsys.readouterr().out,
    )
    assert main(command) == 0
    table, _, sentence = capsys.readouterr().out.rpartition("\n\n")
    assert "val_loss  test_loss  val_bits/char  test_bits/char" in table
    assert "nats per token on validation" in sentence
    assert "over 3 seeds" in sentence
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conclusion"] == [sentence.strip()]


def test_the_room_on_the_disk_is_predicted(store):
    for optimizer in ("adamw", "sgd", "muon"):
        base = {"architecture": "mlp", "model.d_hidden": 256, "steps": 100}
        config = expand(
            Sweep(name="s", base={**BASE, **base, "training.optimizer": optimizer}, axes={})
        )
        predicted = estimate(config, store).bytes_left
        run = store.get(run_sweep(config, store, Here()).complete[0])
        size = sum(path.stat().st_size for path in run.path.iterdir())
        assert 0.7 * size <= predicted <= 1.6 * size


# --- what it keeps ------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["every", "best", "none"])
def test_a_sweep_keeps_the_weights_of_all_the_best_or_none(store, weights):
    plan = Sweep.from_dict(
        {
            "name": "kept",
            "base": {**BASE, "steps": 20},
            "axes": {"training.learning_rate": [0.001, 0.01], "seed": [0, 1, 2]},
            "weights": weights,
        }
    )
    configs = expand(plan)
    first, *_ = configs  # is complete before the sweep begins
    run_sweep([first], store, Here())
    before = estimate(configs, store, weights=plan.weights).bytes_left
    run_sweep(configs, store, Here(), weights=plan.weights)
    runs = {config: find(store, config, load(config.data).sha256) for config in configs}
    kept = {config for config, run in runs.items() if run.weights_path.exists()}
    lowest = {
        min(
            (config for config in configs if config.training.learning_rate == rate),
            key=lambda config: runs[config].status.valid.loss,
        )
        for rate in (0.001, 0.01)
    }
    wanted = {"every": set(configs), "best": lowest, "none": set()}[weights]
    assert kept == wanted | {first}
    size = sum(
        path.stat().st_size
        for config, run in runs.items()
        if config != first
        for path in run.path.iterdir()
    )
    # the first may be one of the two best, whose weights are foretold
    assert 0.6 * size <= before <= 2 * size
    assert estimate(configs, store).n_left == 0  # a run without weights is complete all the same


def test_what_is_kept_is_said_in_one_word():
    with pytest.raises(ConfigError, match=r"weights must be one of every, best.* Received: 'all'"):
        Sweep.from_dict({"name": "kept", "weights": "all"})


# --- training it --------------------------------------------------------------------------


def test_an_executor_says_how_many_threads_it_has(store):
    class Large(Here):
        def most_threads(self):
            return 1_000

    configs = expand(sweep(**{"training.threads": [1, 1_000]}))
    with pytest.raises(ConfigError, match=r"threads must not exceed 2, .* Received: 1,000\."):
        run_sweep(configs, store, Here())
    assert not store.root.exists()  # nothing has begun
    large = Large()
    large.submit = lambda run: execute(run, until_step=1)
    run_sweep(configs, store, large)
    assert [run.facts.threads for run in store.list()].count(1_000) == 1
    run_sweep(configs, store, Here())  # by now it exists
    assert {run.state for run in store.list()} == {"complete"}


def test_a_failed_run_does_not_stop_the_others_and_a_repetition_costs_nothing(store):
    bad = {"optimizer": "sgd", "learning_rate": 100, "grad_clip": 0}
    configs = expand(
        sweep(
            how=[{}, {f"training.{name}": value for name, value in bad.items()}],
            seed=[0, 1],
            **{"architecture": ["mlp"], "steps": [60]},
        )
    )
    executor = Here()
    result = run_sweep(configs, store, executor)
    assert len(executor.submitted) == 4
    ids = [stable_id(config, load(config.data).sha256) for config in configs]
    assert result.complete == ids[:2]
    assert list(result.failed) == ids[2:]
    assert all("Lower the learning rate" in reason for reason in result.failed.values())

    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    again = Here()
    assert run_sweep(configs, store, again) == result
    assert again.submitted == []
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


def test_runs_that_came_with_the_program_are_not_trained_again(store):
    configs = expand(sweep())
    run = store.get(run_sweep(configs, store, Here()).complete[0])
    store.pack([run])
    executor = Here()
    assert run_sweep(configs, store, executor).complete == [run.run_id]
    assert executor.submitted == []


def test_a_folder_of_other_settings_is_not_taken_for_the_run(store):
    config, other = expand(sweep(seed=[0, 1]))
    sha256 = load(config.data).sha256
    prepare(other, store, run_id=stable_id(config, sha256))
    result = run_sweep([config], store, Here())
    assert "other settings" in result.failed[stable_id(config, sha256)]


def test_a_damaged_run_is_listed_and_the_others_are_trained(store):
    configs = expand(sweep(seed=[0, 1]))
    first, _ = run_sweep(configs, store, Here()).complete
    (store.root / first / "status.json").write_text("{")
    result = run_sweep(configs, store, Here())
    assert "damaged" in result.failed[first]
    assert len(result.complete) == 1


def test_a_run_that_is_lost_again_and_again_is_given_up(store):
    class Lossy(Here):
        def submit(self, run):
            self.submitted.append(run.run_id)
            with RunWriter(run) as writer:
                writer.update(state="running", reason="The machine was lost.", now=True)

    executor = Lossy()
    result = run_sweep(expand(sweep()), store, executor)
    assert len(executor.submitted) == MOST_TRIES
    assert "The machine was lost." in next(iter(result.failed.values()))
    assert run_sweep(expand(sweep()), store, Here()).failed == {}


def test_a_run_that_another_process_trains_is_waited_for(store):
    config = expand(sweep())[0]
    run = prepare(config, store, run_id=stable_id(config, load(config.data).sha256))
    writer = RunWriter(run)
    writer.__enter__()
    writer.update(state="running", now=True)
    executor, looks = Here(), []

    def release(progress):
        looks.append(progress)
        if len(looks) == 2:
            assert executor.submitted == []
            writer.__exit__()

    result = run_sweep([config], store, executor, on_progress=release)
    assert (len(result.complete), executor.submitted) == (1, [run.run_id])


def test_what_was_paused_by_hand_is_left_to_the_hand(store):
    class Paused(Here):
        def submit(self, run):
            execute(run, until_step=3)

    result = run_sweep(expand(sweep()), store, Paused())
    assert (result.complete, result.failed, len(result.unfinished)) == ([], {}, 1)
    assert len(run_sweep(expand(sweep()), store, Here()).complete) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")
def test_a_worker_that_is_killed_goes_on_from_its_checkpoint(store, tmp_path):
    configs = expand(sweep(seed=[0, 1], steps=[2_500]))
    queue, killed = JobQueue(workers=2), []

    def kill(progress):
        for run in progress.training:
            if run.status.pid and run.status.checkpoint_step and not killed:
                killed.append(run)
                os.kill(run.status.pid, signal.SIGKILL)

    result = run_sweep(configs, store, queue, on_progress=kill)
    queue.close()
    assert (len(killed), len(result.complete)) == (1, 2)
    undisturbed = execute(prepare(killed[0].config, RunStore(tmp_path / "undisturbed")))
    assert killed[0].weights_path.read_bytes() == undisturbed.weights_path.read_bytes()


def test_executors_by_name():
    assert EXECUTORS == ("local", "ray")
    queue = open_executor("local", workers=3)
    assert isinstance(queue, JobQueue)
    queue.close()
    with pytest.raises(ConfigError, match="executor must be one of local, ray"):
        open_executor("slurm")


def test_without_ray_a_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install -r requirements-cluster\.txt"):
        open_executor("ray")


def test_sweeps_import_neither_torch_nor_ray():
    script = (
        "import sys, lm.jobs.sweeps, lm.jobs.executors, lm.jobs.cluster; "
        "assert not {'torch', 'ray', 'pandas', 'streamlit'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)


# --- the command --------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path) -> Path:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"base": BASE, "axes": {"seed": [0, 1, 2]}}))
    return file


def test_a_dry_run_prints_the_plan_and_leaves_nothing(file, tmp_path, capsys):
    command = ["sweep", str(file), "--runs-dir", str(tmp_path / "runs"), "--dry-run"]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert table.count("linear-known_entropy-") == 3
    assert "mine: 3 runs. To come: " in table
    assert main([*command, "--json", "--workers", "3"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["n_left"], planned["n_at_once"]) == (3, 3)
    assert planned["flops_left"] == sum(run["flops"] for run in planned["runs"])
    assert [run["seed"] for run in planned["runs"]] == [0, 1, 2]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--workers", "0"], "workers must be a whole number from 1"),
        (["--executor", "slurm"], "executor must be one of local, ray"),
        (["--executr", "ray"], "Did you mean --executor?"),
    ],
)
def test_bad_options_are_one_sentence(file, tmp_path, capsys, argv, words):
    assert main(["sweep", str(file), "--runs-dir", str(tmp_path / "runs"), *argv]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")
def test_an_interrupted_sweep_is_completed_by_the_same_command(tmp_path):
    bad = {"architecture": "mlp", "training.optimizer": "sgd", "training.learning_rate": 100}
    good = {"steps": 10_000}  # long enough for the signal to meet it on its way
    axes = {"seed": [0, 1], "how": [good, {**bad, "steps": 60, "training.grad_clip": 0}]}
    base = {name: value for name, value in BASE.items() if name != "steps"}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"base": base, "axes": axes}))
    runs_dir = tmp_path / "runs"
    command = [sys.executable, "-m", "lm", "sweep", str(file), "--json", "--workers", "1"]
    command += ["--runs-dir", str(runs_dir)]
    options = {"cwd": PROJECT, "text": True, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, **options)
    while not any(run.status.step for run in RunStore(runs_dir).list()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"Go on with: python -m lm sweep {file} --json" in err
    assert len(json.loads(out)["unfinished"]) >= 1
    first = RunStore(runs_dir).list()
    assert not [run for run in first if run.state in ("running", "interrupted")]
    assert any(run.state == "paused" and run.status.checkpoint_step for run in first)

    done = subprocess.run(command, **options)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert len(result["runs"]) == 2
    assert len(result["failed"]) == 2
    assert done.stderr.count("Lower the learning rate") == 2


def test_find_reads_what_is_there(store):
    config = expand(sweep())[0]
    sha256 = load(config.data).sha256
    assert find(store, config, sha256) is None
    run = prepare(config, store, run_id=stable_id(config, sha256))
    assert isinstance(found := find(store, config, sha256), Run)
    assert found == run
    shutil.rmtree(run.path)
