"""docs/recipes.md says what docs/recipes.csv holds."""

import pytest

from bench import recipes_table
from lm.architectures import ARCHITECTURES
from lm.datasets import DATASETS

ROWS = recipes_table.read()


def test_the_page_has_the_measurements_of_the_csv():
    page = recipes_table.PAGE.read_text(encoding="utf-8")
    assert recipes_table.written(page, ROWS) == page, "Run python -m bench.recipes_table."
    assert recipes_table.main(["--check"]) == 0


def test_a_changed_measurement_changes_the_page():
    page = recipes_table.PAGE.read_text(encoding="utf-8")
    row = next(row for row in ROWS if row["choice"] == recipes_table.DEFAULT_RECIPE)
    other = [{**row, "loss": "9.876"} if row is each else each for each in ROWS]
    assert "| 9.876 [" in recipes_table.written(page, other)
    with pytest.raises(ValueError, match="no table between <!-- table: reached -->"):
        recipes_table.written("A page without tables.", ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['choice']}-{row['loss']}")
def test_a_measurement_says_what_was_measured(row):
    loss = float(row["loss"])
    if row["lowest"]:
        assert float(row["lowest"]) <= loss <= float(row["highest"])
    assert 0 < float(row["budget"]) < 1e15
    assert int(row["seeds"]) >= 1
    assert row["measure"] in recipes_table.MEASURES
    assert row["scored"] in recipes_table.SCORED
    assert row["architecture"] in ARCHITECTURES
    assert row["text"] in DATASETS or row["split"] == ""
    splits = DATASETS[row["text"]].splits if row["text"] in DATASETS else ()
    assert row["split"] in (*splits, "")
    assert row["choice"]
    assert row["setting"]
    assert row["value"]
