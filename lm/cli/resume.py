"""`python -m lm resume`."""

from __future__ import annotations

import click

from lm.cli.command import Call, command
from lm.cli.options import json_option, run_argument
from lm.cli.printing import note
from lm.cli.results import print_result
from lm.cli.working import train_here


@command("resume", "Go on with a run that was paused, stopped or interrupted.")
@run_argument
@json_option
@click.pass_obj
def resume(call: Call, run: str, as_json: bool) -> int | None:
    found = call.store.get(run)
    if found.state != "complete":
        return train_here(found, call, as_json)
    note(f"{found.name} is complete: it took all of its {found.n_steps:,} steps.")
    print_result(found, as_json)
    return None
