"""`python -m lm runs`."""

from __future__ import annotations

import click

from lm.cli.command import Call, command
from lm.cli.options import json_option
from lm.cli.printing import note, plain, print_json, print_table
from lm.cli.results import result

COLUMNS = ("run_id", "state", "n_params", "steps", "flops", "val_loss", "test_loss", "name")


@command("runs", "List the runs.")
@json_option
@click.pass_obj
def runs(call: Call, as_json: bool) -> None:
    scan = call.store.scan()
    for sentence in scan.broken.values():
        note(sentence)
    rows = [
        {
            "name": run.name,
            "state": run.state,
            "preset": run.config.preset,
            "created_at": run.created_at,
            "shipped": run.shipped,
            **result(run),
        }
        for run in scan.runs
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(COLUMNS, [[plain(row[column]) for column in COLUMNS] for row in rows])
    else:
        print(f"There are no runs in {call.store.root} yet. Train one: python -m lm train")
