"""What is said of a finished run besides its figures."""

import math
from dataclasses import replace

import pytest

import lm
from lm.base.records import Evaluation
from lm.jobs.sweeps import Sweep, expand
from lm.runs import RunStore, table
from lm.runs.prepare import prepare
from lm.runs.remarks import earlier_step, remarks, slow_tables
from lm.runs.run import Run

BASE = {"dataset": "known_entropy", "data.n_chars": 3_000, "architecture": "mlp", "steps": 60}


@pytest.fixture
def run(tmp_path) -> Run:
    return prepare(expand(Sweep(name="one", base=BASE))[0], RunStore(tmp_path))


def scored(run: Run, loss: float, **status) -> Run:
    result = Evaluation(total_nats=100 * loss, n_tokens=100, n_chars=100)
    of_run = {"state": "complete", "step": 60, "valid": result, "test": result, **status}
    return replace(run, state="complete", status=replace(run.status, **of_run))


def sampled(run: Run, losses, monkeypatch) -> Run:
    rows = [{"step": 10 * i, "sampled_val_loss": loss} for i, loss in enumerate(losses, 1)]
    monkeypatch.setattr(Run, "rows", lambda self: [{"step": 1, "sampled_val_loss": None}, *rows])
    return scored(run, losses[-1])


def test_a_loss_far_above_uniform_is_said(run):
    uniform = math.log(run.vocab_size)
    lost = scored(run, 450_687_923.0)
    (sentence,) = remarks(lost)
    assert "worse than guessing: its validation loss is 450,687,923 nats per token" in sentence
    assert f"{uniform:.3f}" in sentence
    assert lost.outcome == "complete, worse than guessing"
    assert lost.summary()["State"].startswith("complete, worse than guessing")
    assert scored(run, 1.01 * uniform).outcome == "complete"  # it has only just begun
    assert remarks(run) == []  # it is not scored


def test_an_earlier_step_that_was_better_by_more_than_noise_is_said(run, monkeypatch):
    learnt_by_heart = [3.0, 2.0, 1.5, 1.4, 1.5, 1.6, 1.7]
    better = earlier_step(sampled(run, learnt_by_heart, monkeypatch))
    assert better is not None
    assert (better.step, round(better.gain, 3)) == (40, 0.3)
    (sentence,) = remarks(sampled(run, learnt_by_heart, monkeypatch))
    assert "weights are those of its last step, 60; at step 40" in sentence
    assert "0.300 lower" in sentence


@pytest.mark.parametrize(
    "losses",
    [
        [3.0, 2.0, 1.5, 1.4, 1.3, 1.25, 1.2],  # the last is the best
        [3.0, 2.0, 1.5, 1.4, 1.45, 1.39, 1.46, 1.4, 1.44],  # it goes up and down
        [1.400, 1.401, 1.402, 1.403, 1.404],  # nobody would care
        [1.0, 2.0],  # too few to know
    ],
)
def test_noise_is_not_said(run, monkeypatch, losses):
    assert earlier_step(sampled(run, losses, monkeypatch)) is None


def test_validation_below_training_is_explained_where_dropout_is_on(run):
    model = run.config.model.replace(dropout=0.1)
    dropping = replace(run, config=run.config.replace(model=model))
    assert "dropout is on in training" in remarks(scored(dropping, 1.0, train_loss=1.2))[0]
    assert remarks(scored(dropping, 1.0, train_loss=0.9)) == []
    without = run.config.model.replace(dropout=0.0, ngram_dropout=0.0)
    plain = replace(run, config=run.config.replace(model=without))
    assert remarks(scored(plain, 1.0, train_loss=1.2)) == []


def test_a_perplexity_that_is_too_large_is_no_number_in_any_table(run):
    row = table.row(scored(run, 1e6), table.COLUMNS)
    assert (row["val_loss"], row["val_perplexity"]) == (1e6, None)
    assert table.dataframe([scored(run, 1e6)])["test_perplexity"].isna().all()


def test_a_rate_at_which_every_row_of_a_table_is_updated_is_said_beforehand():
    def said(**given):
        given = {"steps": 100, "preset": "modern", **given}
        return slow_tables(lm.resolve("known_entropy", "mlp", **given), 27)

    slow = said(learning_rate=10)
    assert slow is not None
    assert slow.startswith("Every step will update all rows of the tables of n-grams")
    assert slow.endswith("Received: 0.1 and 10.")
    assert said() is None
    assert said(table_update="every_row") is None  # chosen
    assert said(learning_rate=10, optimizer="sgd") is None  # has no such choice
    assert said(learning_rate=10, preset="study") is None  # has no tables
