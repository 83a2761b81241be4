"""`python -m bench`: measure how fast everything is; print a table or, with --json, JSON."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from types import ModuleType

from lm.cli.app import guarded
from lm.cli.printing import print_json, print_table

# The textbook loop runs as its users run it: idle threads spin for a while, as is the default of
# the OpenMP that torch brings. `lm` turns that off.
SPIN = {"GOMP_SPINCOUNT": "300000"}


def load_suite() -> ModuleType:
    """Import `bench.suite` and with it torch, whose OpenMP reads its settings when it is loaded."""
    added = SPIN.keys() - os.environ.keys()
    os.environ.update({name: SPIN[name] for name in added})
    from bench import suite

    for name in added:  # so that the processes that are measured start like any other
        del os.environ[name]
    return suite


def main(as_json: bool) -> None:
    """Measure, and print what was measured."""
    suite = load_suite()
    rows = suite.run()
    if as_json:
        print_json({"machine": suite.machine(), "rows": [asdict(row) for row in rows]})
        return
    print(", ".join(f"{name}: {value}" for name, value in suite.machine().items()), end="\n\n")
    print_table(
        ["what", "measured", "unit", "ratio", "target", "reference"],
        [
            [
                row.what,
                f"{row.value:,.0f}" if row.value >= 1000 else f"{row.value:.3g}",
                row.unit,
                "-" if row.ratio is None else f"{row.ratio:.3g}",
                row.target or "-",
                row.reference or "-",
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    sys.exit(guarded(lambda: main("--json" in sys.argv[1:])))
