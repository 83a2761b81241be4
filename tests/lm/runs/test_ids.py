"""A run of a sweep is known by a hash of its settings: no change of the program may change it."""

from lm.base.files import PROJECT
from lm.jobs.sweeps import stable_id
from lm.runs import STUDY, RunStore


def test_the_ids_of_all_runs_of_the_study_hold():
    runs = RunStore(PROJECT / "checkpoints" / STUDY).list()
    assert len(runs) == 607
    ids = {run.run_id: stable_id(run.config, run.facts.sha256) for run in runs}
    assert {folder: found for folder, found in ids.items() if folder != found} == {}
