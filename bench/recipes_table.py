"""Write the table of docs/recipes.md from the measurements in docs/recipes.csv.

    python -m bench.recipes_table

The CSV has one row for each measurement: the mean loss of `seeds` runs, in nats per token, and the
lowest and the highest where they were noted. `kept` says what was decided. Numbers stay text here,
so that a loss keeps its digits.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import groupby

from lm.architectures import ARCHITECTURES
from lm.base.files import PROJECT
from lm.datasets import DATASETS

CSV, PAGE = PROJECT / "docs" / "recipes.csv", PROJECT / "docs" / "recipes.md"
DEFAULT_RECIPE = "default recipe"
SCORED = ("alone", "blocks", "hybrid")  # by itself, in rows that do not overlap, with n-grams
SPLITS = {"": "", "study": "the study's split", "nanogpt": "nanoGPT's split"}
START, END = "<!-- table: reached -->\n", "<!-- end -->"  # around the table on the page

Row = dict[str, str]


def read() -> list[Row]:
    """Every measurement, in the order of the file."""
    with CSV.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The losses of the default recipes: a line for each text, architecture and budget."""
    yield f"| text, what is scored | architecture | FLOPs | {' | '.join(SCORED)} |\n"
    yield f"|---|---|--:|{'--:|' * len(SCORED)}\n"
    of_recipes = (row for row in rows if row["choice"] == DEFAULT_RECIPE)
    told_apart = ("text", "split", "measure", "architecture", "budget")
    for key, runs in groupby(of_recipes, lambda row: [row[name] for name in told_apart]):
        text, split, measure, architecture, budget = key
        title = DATASETS[text].title if text in DATASETS else text
        what = ", ".join(filter(None, (title, SPLITS[split], measure)))
        losses: Row = dict.fromkeys(SCORED, "–")
        for row in runs:
            spread = f" [{row['lowest']}, {row['highest']}]" if row["lowest"] else ""
            losses[row["scored"]] = row["loss"] + spread
        cells = [what, ARCHITECTURES[architecture].title, budget, *losses.values()]
        yield f"| {' | '.join(cells)} |\n"


def written(page: str, rows: Iterable[Row]) -> str:
    """The page with its table as the measurements give it."""
    before, rest = page.split(START)
    _, after = rest.split(END)
    return before + START + "".join(table(rows)) + END + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), read()), encoding="utf-8")
