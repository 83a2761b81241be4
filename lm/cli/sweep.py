"""`python -m lm sweep`."""

from __future__ import annotations

from typing import Any

import click

from lm.base.flops import flops_text
from lm.base.wording import counted
from lm.cli.command import FAILED, INTERRUPTED, Call, command
from lm.cli.options import config_options, json_option, load_corpus
from lm.cli.printing import note, print_json, print_table, si
from lm.cli.working import (
    LOSSES,
    LOSSES_READING,
    Destination,
    dry_run_option,
    go_on_with,
    loss_cells,
    say_why,
    sending,
)
from lm.jobs.sweeps import (
    Estimate,
    Sweep,
    SweepResult,
    conclusion,
    estimate,
    expand,
    in_words,
    remembered,
    run_names,
    run_sweep,
    value_of,
)
from lm.runs import RunStore, forecast
from lm.runs.config import RunConfig
from lm.runs.table import json_row


@command("sweep", "Train all combinations that a file describes.")
@click.argument("file", metavar="FILE", help="a sweep: docs/sweeps.md says what it holds")
@config_options(Destination)
@dry_run_option
@json_option
@click.pass_obj
def sweep(
    call: Call, destination: Destination, file: str, dry_run: bool, as_json: bool
) -> int | None:
    load = remembered(load_corpus)
    plan = Sweep.from_file(file)
    configs = expand(plan, load)
    planned = estimate(configs, call.store, destination.workers, plan.weights, load)
    if dry_run:
        _print_plan(plan, planned, as_json)
        return None
    note(_plan_sentence(plan, planned))
    with sending(destination, planned.n_left) as sent:
        done = run_sweep(
            configs,
            call.store,
            sent.executor,
            weights=plan.weights,
            on_progress=sent.show,
            should_stop=lambda: sent.interrupted,
            load=load,
            names=run_names(plan, configs),
        )
    _print_results(plan, done, call.store, as_json)
    say_why(done.failed | done.unfinished)
    if sent.interrupted:
        note(
            f"{plan.name} is paused, {len(done.complete):,} of {len(planned.runs):,} runs "
            f"complete. {go_on_with(call.argv)}"
        )
        return INTERRUPTED
    return FAILED if done.failed or done.unfinished else None


def _plan_sentence(plan: Sweep, planned: Estimate) -> str:
    """What a sweep is and what is left of it to train."""
    n_runs = len(planned.runs)
    if not planned.n_left:
        return (
            f"{plan.name}: {counted(n_runs, 'run')}, and nothing left to train. "
            f"{'It' if n_runs == 1 else 'They'} took {si(planned.flops_spent)}FLOPs and "
            f"{forecast.in_words(planned.seconds_spent)} of training."
        )
    done = f", {n_runs - planned.n_left:,} of them done" if planned.n_left < n_runs else ""
    speed = "of earlier runs here" if planned.measured else "assumed, for nothing was trained here"
    return (
        f"{plan.name}: {counted(n_runs, 'run')}{done}. To come: "
        f"{si(planned.flops_left)}FLOPs, {si(planned.bytes_left)}bytes on disk, about "
        f"{forecast.in_words(planned.seconds_left)} with {planned.n_at_once:,} at a time "
        f"(at the speed {speed})."
    )


def _print_plan(plan: Sweep, planned: Estimate, as_json: bool) -> None:
    heads = [_head(plan, run.run_id, run.state, run.config) for run in planned.runs]
    if as_json:
        rows = [
            {
                **head,
                "n_params": run.n_params,
                "steps": run.n_steps,
                "flops": run.flops,
                "seconds_left": run.seconds_left,
                "bytes_left": run.bytes_left,
            }
            for head, run in zip(heads, planned.runs, strict=True)
        ]
        totals = ("n_left", "flops_left", "seconds_left", "bytes_left", "n_at_once", "measured")
        sums = {name: getattr(planned, name) for name in totals}
        print_json({"sweep": plan.name, **sums, "runs": rows})
        return
    print_table(
        ["run_id", "state", *plan.varied, "parameters", "steps", "FLOPs", "time left", "disk left"],
        [
            [
                *map(in_words, head.values()),
                f"{run.n_params:,}",
                f"{run.n_steps:,}",
                flops_text(run.flops),
                forecast.in_words(run.seconds_left) if run.share_left else "-",
                f"{si(run.bytes_left)}B" if run.bytes_left else "-",
            ]
            for head, run in zip(heads, planned.runs, strict=True)
        ],
    )
    print(f"\n{_plan_sentence(plan, planned)}")


def _print_results(plan: Sweep, done: SweepResult, store: RunStore, as_json: bool) -> None:
    runs = [store.get(run_id) for run_id in done.complete]
    heads = [_head(plan, run.run_id, run.outcome, run.config) for run in runs]
    found = conclusion(plan, runs)
    if as_json:
        rows = [{**head, **json_row(run)} for head, run in zip(heads, runs, strict=True)]
        rest = {"failed": done.failed, "unfinished": done.unfinished, "conclusion": found}
        print_json({"sweep": plan.name, "runs": rows, **rest})
    elif runs:
        print_table(
            ["run_id", "state", *plan.varied, "FLOPs", *LOSSES],
            [
                [
                    *map(in_words, head.values()),
                    flops_text(run.status.flops.total),
                    *loss_cells(run),
                ]
                for head, run in zip(heads, runs, strict=True)
            ],
        )
        print("\n" + "\n".join(found))
        note(LOSSES_READING)


def _head(plan: Sweep, run_id: str, state: str, config: RunConfig) -> dict[str, Any]:
    """The first cells of a run's row: its id, its state, and the settings that the sweep varies."""
    return {"run_id": run_id, "state": state} | {
        name: value_of(config, name) for name in plan.varied
    }
