"""The table of docs/recipes.md, written from the measurements in docs/recipes.csv.

    python -m bench.recipes_table            # write it
    python -m bench.recipes_table --check    # exit with 1 if it is out of date

The CSV has one row for each measurement: the mean loss of `seeds` runs, in nats per token, and the
lowest and the highest where they were noted. `kept` says what was decided. Numbers are text here:
what was measured to four digits is never written with three.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from lm.architectures import ARCHITECTURES
from lm.datasets import DATASETS

DOCS = Path(__file__).parents[1] / "docs"
CSV, PAGE = DOCS / "recipes.csv", DOCS / "recipes.md"
DEFAULT_RECIPE = "default recipe"
MEASURES = ("validation", "test")
SCORED = ("alone", "blocks", "hybrid")  # by itself, in rows that do not overlap, with n-grams
SPLITS = {"": "", "study": "the study's split", "nanogpt": "nanoGPT's split"}
NOTHING = "–"  # in a cell without a measurement

Row = dict[str, str]


def read(path: Path = CSV) -> list[Row]:
    """Every measurement, in the order of the file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reached(rows: Iterable[Row]) -> Iterator[str]:
    """What the default recipes reach: a line for each text, architecture and budget."""
    yield from header(
        ["text, what is scored", "architecture", "FLOPs", *SCORED],
        align=["", "", "--:", *["--:"] * len(SCORED)],
    )
    of_recipes = (row for row in rows if row["choice"] == DEFAULT_RECIPE)
    told_apart = ("text", "split", "measure", "architecture", "budget")
    for key, runs in groupby(of_recipes, lambda row: [row[name] for name in told_apart]):
        by_protocol = {row["scored"]: row for row in runs}
        text, split, measure, architecture, budget = key
        what = ", ".join(filter(None, (text_title(text), SPLITS[split], measure)))
        figures = [spread(by_protocol.get(protocol)) for protocol in SCORED]
        yield line([what, ARCHITECTURES[architecture].title, budget, *figures])


TABLES = {"reached": reached}


def header(titles: Sequence[str], align: Sequence[str]) -> list[str]:
    return [line(titles), "|" + "|".join(each or "---" for each in align) + "|"]


def line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def spread(row: Row | None) -> str:
    if row is None:
        return NOTHING
    return f"{row['loss']} [{row['lowest']}, {row['highest']}]" if row["lowest"] else row["loss"]


def text_title(text: str) -> str:
    return DATASETS[text].title if text in DATASETS else text


def written(page: str, rows: Sequence[Row]) -> str:
    """The page with its tables as the measurements give them.

    A table stands between `<!-- table: NAME -->` and `<!-- end -->`. Raises `ValueError` where
    one is missing.
    """
    for name, table in TABLES.items():
        start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, opened, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"{PAGE.name} has no table between {start.strip()} and {end}.")
        page = before + start + "".join(f"{each}\n" for each in table(rows)) + end + after
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if out of date")
    options = parser.parse_args(arguments)
    page = PAGE.read_text(encoding="utf-8")
    new = written(page, read())
    if options.check:
        return int(page != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
