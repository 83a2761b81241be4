"""Random settings around a default recipe."""

import json

import pytest

from bench.trained import Job
from bench.trials import CHANCE, CHOICES, FACTORS, trials

TEXT = "known_entropy"


@pytest.mark.parametrize("architecture", ["linear", "mlp", "transformer"])
def test_trials_are_possible_recipes_that_all_differ_from_the_default(architecture):
    default = Job(TEXT, architecture, 1e10)
    jobs = list(trials(default, 40))
    recipe = default.config.model_dump()
    assert len({job.changed for job in jobs}) == len(jobs) == 40
    n_changed = 0
    for job in jobs:
        settings = job.config.model_dump()
        for section, changes in json.loads(job.changed).items():
            for name, value in changes.items():
                n_changed += 1
                assert settings[section][name] == value != recipe[section][name]
    names = [name.split(".") for name in CHOICES | FACTORS]
    known = sum(setting in recipe[section] for section, setting in names)
    assert n_changed == pytest.approx(40 * known * CHANCE, rel=0.3)


def test_trials_are_the_same_each_time():
    default = Job(TEXT, "mlp", 1e10)
    assert list(trials(default, 5)) == list(trials(default, 8))[:5]
