"""Which runs of the study that comes with the program are its results, and not its search.

The list stands in docs/report/runs.csv, which the study writes with its report, so that a reader
needs neither the texts nor the seconds that choosing takes.
"""

from __future__ import annotations

import csv

from lm.base.files import PROJECT

RUNS_TABLE = "runs"  # the name of that table in the report's folder
_RESULTS = ("frontier", "words")  # sections that vary the budget alone


def compared_run_ids() -> list[str]:
    """Ids of the runs that say what a budget buys. Empty without a report."""
    path = PROJECT / "docs" / "report" / f"{RUNS_TABLE}.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["section"] in _RESULTS]
    return list(dict.fromkeys(row["run_id"] for row in rows if row["counts"] == "True"))
