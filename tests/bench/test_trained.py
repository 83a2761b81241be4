"""The table of runs on development texts."""

from dataclasses import replace

from bench.trained import Job, Table, missing, train, train_all


def test_what_has_a_row_is_not_trained_again_and_what_other_recipes_came_to_goes(tmp_path):
    jobs = [Job("known_entropy", "linear", 1e8, seed) for seed in range(2)]
    table = Table.read(tmp_path / "runs.csv")
    first = train(jobs[0])
    table.add(first)
    assert missing(jobs, table) == [jobs[1]]
    [second] = train_all(jobs, table)
    assert second.seed == "1"
    assert second.validation != first.validation
    assert list(Table.read(table.path).rows.values()) == [first, second]

    of_before = replace(first, config="another")
    table.rows[of_before.key] = of_before
    table.add(second)
    assert list(Table.read(table.path).rows.values()) == [first, second]
