"""`python -m lm runs`."""

from __future__ import annotations

import click

from lm.base.flops import flops_text
from lm.cli.command import Call, command
from lm.cli.options import json_option
from lm.cli.printing import note, print_json, print_table
from lm.cli.working import LOSSES, LOSSES_READING, loss_cells
from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import Run
from lm.runs.table import json_row, text_title

HEADING = ("run_id", "state", "text", "tokenizer", "parameters", "steps", "FLOPs", *LOSSES, "name")


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
            **json_row(run),
        }
        for run in scan.runs
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(HEADING, map(_cells, scan.runs))
        note(LOSSES_READING)
    else:
        print(f"There are no runs in {call.store.root} yet. Train one: python -m lm train")


def _cells(run: Run) -> list[str]:
    data = run.config.data
    return [
        run.run_id,
        run.outcome,
        text_title(data),
        TOKENIZERS[data.tokenizer].title,
        f"{run.n_params:,}",
        f"{run.status.step:,}",
        flops_text(run.status.flops.total),
        *loss_cells(run),
        "" if run.name == run.run_id else run.name,
    ]
