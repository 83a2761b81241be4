"""`python -m lm study`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lm import datasets
from lm.base.files import PROJECT
from lm.base.flops import flops_text
from lm.base.machine import n_cores
from lm.base.wording import counted
from lm.cli.command import FAILED, INTERRUPTED, Call, Option, command, unknown
from lm.cli.options import config_options
from lm.cli.printing import note, print_table
from lm.cli.working import Destination, dry_run_option, go_on_with, say_why, sending
from lm.jobs.sweeps import remembered
from lm.runs import STUDY, RunStore, default_root, forecast

if TYPE_CHECKING:
    from lm.study.families import Study
    from lm.study.running import SectionCost


def _scales() -> str:
    from lm.study.scales import SCALES

    return f"{', '.join(SCALES)} (default: default, about four hours)"


@command("study", "Train what the coursework trained; write figures and report.")
@click.option("--scale", default="default", metavar="NAME", cls=Option, describe=_scales)
@click.option(
    "--datasets",
    "names",
    multiple=True,
    metavar="NAME...",
    help="leave the study's other corpora out",
)
@click.argument("more", nargs=-1, metavar="")  # further names, since --datasets takes several
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="where figures/ and docs/report.md go (default: the project; smoke: a new folder)",
)
@click.option(
    "--ship",
    is_flag=True,
    help="then pack the runs into checkpoints/study/, which comes with the program",
)
@config_options(Destination)
@dry_run_option
@click.pass_obj
def study(
    call: Call,
    destination: Destination,
    scale: str,
    names: tuple[str, ...],
    more: tuple[str, ...],
    out: Path | None,
    ship: bool,
    dry_run: bool,
) -> int | None:
    from lm.study import running  # altair: half a second

    if more and not names:
        raise click.ClickException(f"study takes no further argument. Received: {more[0]!r}.")
    whole = _study(scale, (*names, *more))
    smoke = scale == "smoke"
    if smoke:
        runs_dir, out = _folders_of_smoke(call.runs_dir, out, ship)
    else:
        runs_dir, out = call.runs_dir or default_root() / STUDY, out or PROJECT
    store = RunStore(runs_dir)
    costs = running.plan_table(whole, store)
    if dry_run:
        _print_costs(costs, destination.workers)
        return None
    with sending(destination, sum(cost.n_left for cost in costs)) as sent:
        outcome = running.run(
            whole,
            store,
            sent.executor,
            on_progress=lambda stage, progress: sent.show(progress, stage),
            should_stop=lambda: sent.interrupted,
        )
    say_why(outcome.failed | outcome.unfinished)
    if sent.interrupted or outcome.unfinished:
        again = list(call.argv)
        for flag, folder in (("--runs-dir", runs_dir), ("--out", out)):
            if smoke and flag not in again:
                again += [flag, str(folder)]
        note(f"The study is not finished. {go_on_with(again)}")
        return INTERRUPTED if sent.interrupted else FAILED
    print(running.write_out(whole, store, out))
    if ship:
        shipped = running.ship(whole, store, RunStore(PROJECT / "checkpoints" / STUDY))
        note(f"{counted(len(shipped), 'run')} shipped")
    return None


def _study(scale: str, names: Sequence[str]) -> Study:
    """The study at a scale, on its corpora that are on this machine (of `names`, if given)."""
    from lm.study.families import Study
    from lm.study.scales import SCALES
    from lm.study.sections import CORPORA, corpora_here

    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    for name in names:
        if name not in CORPORA:
            raise unknown("corpus of the study", name, CORPORA)
    corpora = corpora_here(names)
    if not corpora:
        raise click.ClickException(
            "No text of the study is here. Fetch one with "
            f"`python -m lm data download {CORPORA[0]}`."
        )
    whole = Study(SCALES[scale], corpora, remembered(datasets.load))
    for name in whole.absent:
        note(f"{name} is left out.")
    return whole


def _folders_of_smoke(runs_dir: Path | None, out: Path | None, ship: bool) -> tuple[Path, Path]:
    """The folders for runs and results of a smoke test, which never touches what ships.

    Raises ClickException where it would.
    """
    if ship or (out and out.resolve() == PROJECT.resolve()):
        raise click.ClickException(
            "--scale smoke never replaces what ships. Choose another --out, no --ship."
        )
    if not (runs_dir and out):
        folder = Path(tempfile.mkdtemp(prefix="lm-study-"))
        note(f"Writing to {folder}")
        runs_dir, out = runs_dir or folder / "runs", out or folder
    return runs_dir, out


def _print_costs(costs: Sequence[SectionCost], workers: int | None) -> None:
    at_once = workers or n_cores()
    rows = [
        [
            cost.title,
            f"{len(cost.runs):,}",
            f"{cost.n_left:,}",
            flops_text(cost.flops),
            flops_text(cost.flops_left),
            forecast.in_words(cost.seconds_left / at_once) if cost.n_left else "-",
        ]
        for cost in costs
    ]
    total = [
        "all",
        f"{sum(len(cost.runs) for cost in costs):,}",
        f"{sum(cost.n_left for cost in costs):,}",
        flops_text(sum(cost.flops for cost in costs)),
        flops_text(sum(cost.flops_left for cost in costs)),
        forecast.in_words(sum(cost.seconds_left for cost in costs) / at_once),
    ]
    heading = ["section", "runs", "to train", "FLOPs", "FLOPs to come", f"time, {at_once} at once"]
    print_table(heading, [*rows, total])
