"""The figures of docs/recipes.md need rows of today's recipes."""

import pytest

from bench import recipes_figures


def test_without_rows_it_says_what_to_train(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(recipes_figures, "CSV", tmp_path / "texts.csv")
    with pytest.raises(SystemExit, match=r"texts\.csv has no architecture .* -m bench\.texts"):
        recipes_figures.of_texts()
