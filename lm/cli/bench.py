"""`python -m lm bench`."""

from __future__ import annotations

import subprocess
import sys

import click

from lm.base.files import PROJECT
from lm.cli.command import command
from lm.cli.options import json_option


@command("bench", "Measure how fast everything is, beside references.")
@json_option
def bench(as_json: bool) -> int:
    if not (PROJECT / "bench" / "__main__.py").is_file():
        raise click.ClickException(
            f"The benchmarks belong to the project's folder, and {PROJECT} holds none."
        )
    # in a process of its own: what the benchmarks ask of OpenMP must be asked before torch loads
    call = [sys.executable, "-m", "bench", *(["--json"] if as_json else [])]
    return subprocess.run(call, cwd=PROJECT).returncode
