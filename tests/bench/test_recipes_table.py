"""docs/recipes.md says what docs/recipes.csv holds."""

from bench import recipes_table
from lm.architectures import ARCHITECTURES
from lm.datasets import DATASETS

ROWS = recipes_table.read()


def test_the_page_has_the_measurements_of_the_csv():
    page = recipes_table.PAGE.read_text(encoding="utf-8")
    assert recipes_table.written(page, ROWS) == page, "Run python -m bench.recipes_table."


def test_a_changed_measurement_changes_the_page():
    page = recipes_table.PAGE.read_text(encoding="utf-8")
    row = next(row for row in ROWS if row["choice"] == recipes_table.DEFAULT_RECIPE)
    other = [{**row, "loss": "9.876"} if row is each else each for each in ROWS]
    assert "| 9.876 [" in recipes_table.written(page, other)


def test_a_measurement_says_what_was_measured():
    for row in ROWS:
        loss = float(row["loss"])
        if row["lowest"]:
            assert float(row["lowest"]) <= loss <= float(row["highest"]), row
        assert 0 < float(row["budget"]) < 1e15, row
        assert int(row["seeds"]) >= 1, row
        assert row["measure"] in ("validation", "test"), row
        assert row["scored"] in recipes_table.SCORED, row
        assert row["architecture"] in ARCHITECTURES, row
        assert row["text"] in DATASETS or row["split"] == "", row
        splits = DATASETS[row["text"]].splits if row["text"] in DATASETS else ()
        assert row["split"] in (*splits, ""), row
        assert row["choice"], row
        assert row["setting"], row
        assert row["value"], row
