"""What a sweep says that it found, and what its runs are called."""

from dataclasses import replace

import pytest

from lm.base.records import Evaluation
from lm.datasets import load as load_corpus
from lm.jobs.sweeps import Sweep, conclusion, expand, run_names, run_sweep
from lm.jobs.sweeps.expansion import remembered
from lm.runs import RunStore
from lm.runs.prepare import prepare
from lm.runs.store import LONGEST_NAME
from tests.lm.jobs.test_sweep import BASE, Here


def sweep(name="rates", **axes) -> Sweep:
    return Sweep.from_dict({"name": name, "base": BASE, "axes": axes})


def scored(run, loss: float, n_chars: int):
    """The run as if it had been scored, 100 tokens in each split."""
    of = {
        part: Evaluation(total_nats=100 * value, n_tokens=100, n_chars=n_chars)
        for part, value in (("valid", loss), ("test", loss + 0.1))
    }
    return replace(run, state="complete", status=replace(run.status, state="complete", **of))


@pytest.fixture
def found(tmp_path):
    """From a sweep and a loss for each of its runs to its conclusion."""

    def conclude(plan, losses, n_chars=()):
        store, load = RunStore(tmp_path), remembered(load_corpus)
        configs = expand(plan, load)
        assert len(configs) == len(losses)
        runs = [prepare(config, store, corpus=load(config.data)) for config in configs]
        lengths = n_chars or [100] * len(losses)
        results = zip(runs, losses, lengths, strict=True)
        return conclusion(plan, [scored(run, loss, length) for run, loss, length in results])

    return conclude


RATES = {"training.learning_rate": [0.001, 0.01, 0.02], "seed": [0, 1, 2]}


def test_the_best_is_named_and_what_is_not_shown_to_be_worse(found):
    losses = [3.0, 3.01, 3.02, 1.864, 1.866, 1.868, 1.862, 1.863, 1.864]
    assert found(sweep(**RATES), losses) == [
        "learning_rate 0.02 is best: 1.863 ± 0.002 nats per token on validation and 1.963 ± 0.002 "
        "on test (mean and 95 % interval over 3 seeds); 0.01 is not shown to be worse."
    ]


def test_it_says_when_all_others_are_worse(found):
    losses = [3.0, 3.01, 3.02, 2.0, 2.01, 2.02, 1.0, 1.01, 1.02]
    assert found(sweep(**RATES), losses)[0].endswith("; all others are shown to be worse.")


def test_one_seed_shows_no_difference(found):
    plan = sweep(**{"training.learning_rate": [0.01, 0.02]})
    assert found(plan, [1.5, 1.4]) == [
        "learning_rate 0.02 has the lowest loss: 1.400 nats per token on validation and 1.500 on "
        "test. The next, 0.01, has 1.500; with fewer than 3 seeds no difference is shown."
    ]


def test_tokenizers_are_ranked_in_bits_per_character(found):
    plan = sweep(tokenizer=["char", "bpe"])
    (sentence,) = found(plan, [1.0, 1.2], [100, 200])  # fewer nats per token, more bits
    assert sentence.startswith("byte pairs has the lowest loss: 0.866 bits per character")


def test_each_budget_has_its_own_best(found):
    base = {name: value for name, value in BASE.items() if name != "steps"}
    axes = {"budget": [1e8, 1e9], "architecture": ["linear", "mlp"]}
    plan = Sweep.from_dict({"name": "sizes", "base": base, "axes": axes})
    first, second = found(plan, [2.0, 2.1, 1.9, 1.5])
    assert first.startswith("budget 1e8: Linear has the lowest loss: 2.000")
    assert second.startswith("budget 1e9: MLP has the lowest loss: 1.500")


def test_texts_are_not_ranked_against_each_other(found):
    sentences = found(sweep(**{"data.seed": [0, 1], "seed": [0, 1, 2]}), [1, 2, 3, 4, 5, 6])
    assert [sentence.partition(":")[0] for sentence in sentences] == ["seed 0", "seed 1"]


def test_runs_that_are_not_scored_say_nothing(tmp_path):
    plan = sweep(seed=[0])
    run = prepare(expand(plan)[0], RunStore(tmp_path))
    assert conclusion(plan, [run]) == []


def test_runs_are_named_after_what_is_varied(tmp_path):
    store = RunStore(tmp_path)
    plan = sweep(architecture=["linear", "mlp"], seed=[0, 1])
    configs = expand(plan)
    run_sweep(configs[:1], store, Here(), names=run_names(plan, configs))
    assert [run.name for run in store.list()] == ["rates: Linear, seed 0"]
    assert run_names(plan, configs)[configs[3]] == "rates: MLP, seed 1"


@pytest.mark.parametrize("name", ["x" * 200, "two\nlines"])
def test_whatever_a_sweep_is_called_its_runs_get_a_name(name):
    plan = sweep(name, seed=[0, 1])
    for run_name in run_names(plan, expand(plan)).values():
        assert run_name.isprintable()
        assert len(run_name) <= LONGEST_NAME
        assert ": seed " in run_name
