"""`python -m lm cache`."""

from __future__ import annotations

import click

from lm.base.wording import counted
from lm.cli.command import command
from lm.cli.printing import si
from lm.runs import programs


@command("cache", "Say how much room compiled programs take, or remove them.")
@click.option("--clear", is_flag=True, help="remove them; runs compile what they need again")
def cache(clear: bool) -> None:
    count, n_bytes = programs.clear() if clear else programs.size()
    done = "Removed" if clear else "There is" if count == 1 else "There are"
    print(f"{done} {counted(count, 'program')} of {si(n_bytes)}B in {programs.folder()}")
