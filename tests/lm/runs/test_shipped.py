"""The runs that come with the repository, and what the README says of them."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from lm import cli
from lm.architectures import n_params
from lm.cli.app import main
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import LADDER, RunError, RunStore
from lm.runs import STUDY as STUDY_FOLDER
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.runs.recipes import resolve
from lm.training import execute
from lm.training.checkpoint import load_model
from lm.training.evaluation import evaluate

ROOT = Path(__file__).parents[3]
STORE = RunStore(ROOT / "checkpoints")
SHIPPED = {run.run_id: run for run in STORE.list() if run.shipped}
STUDY = RunStore(STORE.root / STUDY_FOLDER).list()
TARGETS = {"linear": 2.30, "mlp": 1.95, "attention": 2.00, "transformer": 1.90}


def test_the_four_architectures_and_a_better_transformer_ship():
    assert set(SHIPPED) == {f"shipped-{name}-1e12" for name in TARGETS} | {"shipped-transformer"}
    best = SHIPPED["shipped-transformer"].status
    assert best.valid.loss == min(run.status.valid.loss for run in SHIPPED.values())


def test_they_are_small_and_carry_no_training_state():
    files = [path for run in SHIPPED.values() for path in run.path.iterdir()]
    assert sum(path.stat().st_size for path in files) < 20e6
    assert not [path for path in files if path.name == "training_state.safetensors"]


def test_weights_of_all_that_ships_are_under_40_mb():
    every = [*SHIPPED.values(), *STUDY]
    weights = [run.weights_path for run in every if run.weights_path.exists()]
    assert len(weights) == 11
    assert sum(path.stat().st_size for path in weights) < 40e6
    assert not [run for run in STUDY if run.training_state_path.exists()]


def test_who_wants_the_weights_of_results_is_told_the_command_that_trains_them(monkeypatch):
    results = [*RunStore(STORE.root / LADDER).list(), *STUDY]
    asked = []

    def prepare_nothing(config, *_):
        asked.append(config)
        raise RunError("That is enough.")

    monkeypatch.setattr(cli.train, "prepare", prepare_nothing)
    packed = [run for run in results if not run.weights_path.exists()]
    for run in [run for run in packed if run.state == "complete"][::12]:
        corpus = SimpleNamespace(
            data=run.config.data,
            tokenizer=SimpleNamespace(vocab_size=run.vocab_size),
            train=SimpleNamespace(n_tokens=run.facts.n_train_tokens),
        )
        monkeypatch.setattr(cli.train, "load", lambda data, corpus=corpus: corpus)
        command = shlex.split(run.why_no_weights.partition("train it: ")[2])
        assert command[:3] == ["python", "-m", "lm"]
        main(command[3:])
        assert asked.pop() == run.config


@pytest.mark.parametrize("run", SHIPPED.values(), ids=SHIPPED)
def test_their_flops_are_those_of_their_config(run):
    status = run.status
    the_plan = plan(run.config, run.vocab_size, run.facts.n_train_tokens)
    assert status.flops == the_plan.flops
    assert 0.95 * run.config.training.budget <= status.flops.total <= run.config.training.budget
    assert run.n_params == n_params(run.config.model, run.vocab_size)


@pytest.mark.parametrize("architecture", TARGETS)
def test_a_budget_gives_the_losses_that_ship(architecture):
    """They have small tables and one member each, so that they take little room on the disk."""
    run = SHIPPED[f"shipped-{architecture}-1e12"]
    assert run.status.test.loss <= TARGETS[architecture]
    same = resolve(
        architecture=architecture,
        data=run.config.data,
        vocab_size=run.vocab_size,
        n_train_tokens=run.facts.n_train_tokens,
        budget=1e12,
        model={"ngram_rows": 16_384, "members": 1},
        training={"threads": run.config.training.threads},
    )
    # by which the tables are updated changes nothing but the time
    ways = {"table_update": run.config.training.table_update}
    same = same.replace(training=same.training.replace(**ways))
    assert same == run.config, "the default recipe is no longer the one that these were trained by"


@pytest.mark.parametrize("run", SHIPPED.values(), ids=SHIPPED)
def test_their_losses_are_those_of_their_weights(run, real_corpora):
    corpus = load(run.config.data, run.tokenizer())
    assert corpus.sha256 == run.facts.sha256
    scored = evaluate(load_model(run), corpus.test)
    assert scored.n_tokens == run.status.test.n_tokens == 111_606
    assert scored.loss == pytest.approx(run.status.test.loss, rel=1e-4)


def test_a_small_budget_reaches_further_with_a_small_model(real_corpora, tmp_path):
    """At 1e11 FLOPs d_model 32 is far better than 128: the default must know."""
    corpus = load(DataConfig())
    config = resolve(
        architecture="transformer",
        data=corpus.data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=1e11,
    )
    run = execute(prepare(config, RunStore(tmp_path), corpus=corpus))
    assert run.status.flops.total <= 1e11
    assert run.status.valid.loss <= 2.10


def test_the_readme_states_their_results():
    rows = {
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in (ROOT / "README.md").read_text().splitlines()
        if re.match(r"\| `shipped-", line)
    }
    expected = {
        (
            f"`{run_id}`",
            f"{run.n_params:,}",
            f"{run.status.flops.total:.3g}".replace("e+", "e"),
            f"{run.status.valid.loss:.3f}",
            f"{run.status.test.loss:.3f}",
        )
        for run_id, run in SHIPPED.items()
    }
    assert rows == expected
