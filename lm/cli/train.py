"""`python -m lm train`."""

from __future__ import annotations

import click

from lm.cli.command import Call, command
from lm.cli.options import all_settings, json_option, run_options, say_of
from lm.cli.working import train_here
from lm.datasets import load
from lm.runs.prepare import prepare
from lm.runs.recipes import SHORT_NAMES, RunSpec


@command("train", "Train a model in this process.", epilogue=all_settings)
@run_options(SHORT_NAMES)
@click.option("--name", help="what to call the run")
@json_option
@click.pass_obj
def train(call: Call, asked: RunSpec, name: str | None, as_json: bool) -> int | None:
    config, corpus = asked.load(load)
    from lm.training.device import resolve_device

    resolve_device(config.training.device)  # before there is a run
    run = prepare(config, call.store, name, corpus)
    say_of(corpus)
    return train_here(run, call, as_json)
