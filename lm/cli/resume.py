"""`python -m lm resume`."""

from __future__ import annotations

import click

from lm.base.wording import counted
from lm.cli.command import Call, command
from lm.cli.options import json_option, run_argument
from lm.cli.printing import note
from lm.cli.working import print_result, train_here


@command("resume", "Go on with a run that was paused, stopped or interrupted.")
@run_argument
@json_option
@click.pass_obj
def resume(call: Call, run: str, as_json: bool) -> int | None:
    resumed = call.store.get(run)
    if resumed.state != "complete":
        return train_here(resumed, call, as_json)
    note(f"{resumed.name} is complete: it took all of its {counted(resumed.n_steps, 'step')}.")
    print_result(resumed, as_json)
    return None
