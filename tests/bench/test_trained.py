"""The table of runs on development texts."""

from bench import trained
from bench.trained import Job, Table, train, train_missing


def test_a_job_with_a_row_is_not_trained_again_and_rows_of_other_recipes_go(
    tmp_path, monkeypatch, capsys
):
    jobs = [Job("known_entropy", "linear", 1e8, seed) for seed in range(2)]
    table = Table.read(tmp_path / "runs.csv")
    first = train(jobs[0])
    table.add(jobs[0], first)
    assert not train_missing(jobs, table, dry_run=True)
    assert "1 runs to train" in capsys.readouterr().out
    monkeypatch.setattr(trained, "n_cores", lambda: 1)
    assert train_missing(jobs, table)
    second = table.rows[jobs[1]]
    assert second["seed"] == "1"
    assert second["validation"] != first["validation"]
    assert Table.read(table.path).rows == {jobs[0]: first, jobs[1]: second}

    table.add(jobs[0], {**first, "config": "another"})
    assert Table.read(table.path).rows == {jobs[1]: second}
