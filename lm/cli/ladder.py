"""`python -m lm ladder`."""

from __future__ import annotations

import click

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.base.wording import counted, decimal
from lm.cli.command import FAILED, INTERRUPTED, Call, command
from lm.cli.options import config_options, load_corpus, setting_option
from lm.cli.printing import note, print_table, si
from lm.cli.working import Destination, dry_run_option, go_on_with, say_why, sending
from lm.datasets.config import DataConfig
from lm.jobs import ladder as ladders
from lm.jobs.sweeps import Estimate, estimate, expand, remembered, run_sweep
from lm.runs import forecast
from lm.runs.frontier import Frontier, loss_on_test
from lm.runs.recipes import RunSpec
from lm.runs.run import Run


@command("ladder", "Train the default recipes at rising budgets, to hold other runs against.")
@click.option("--dataset", metavar="NAME", help="a small ladder on this corpus alone")
@click.option("--text", "text_path", metavar="FILE", help="a small ladder on a text of your own")
@setting_option(DataConfig, "encoding")
@click.option(
    "--ship",
    is_flag=True,
    help="then keep results without weights, as runs that come with the program",
)
@config_options(Destination)
@dry_run_option
@click.pass_obj
def ladder(
    call: Call,
    destination: Destination,
    dataset: str | None,
    text_path: str | None,
    encoding: str | None,
    ship: bool,
    dry_run: bool,
) -> int | None:
    load = remembered(load_corpus)
    given = {"dataset": dataset, "text_path": text_path, "encoding": encoding}
    given = {name: value for name, value in given.items() if value is not None}
    if given and ship:
        raise click.ClickException("--ship goes with the ladder that comes with the program.")
    plan = (
        ladders.small_ladder(load(RunSpec(data=given).text).data)
        if given
        else ladders.shipped_ladder()
    )
    store = ladders.ladder_store(call.store)
    configs = expand(plan, load)
    planned = estimate(configs, store, destination.workers, "none", load)
    note(_sentence(planned))
    if dry_run:
        return None
    with sending(destination, planned.n_left) as sent:
        done = run_sweep(
            configs,
            store,
            sent.executor,
            weights="none",
            on_progress=sent.show,
            should_stop=lambda: sent.interrupted,
            load=load,
        )
    say_why(done.failed | done.unfinished)
    if sent.interrupted:
        note(f"The ladder is not finished. {go_on_with(call.argv)}")
        return INTERRUPTED
    if ship:
        note(f"{counted(len(ladders.ship(configs, store, load)), 'run')} shipped")
    else:
        _print_rungs([store.get(run_id) for run_id in done.complete])
    return FAILED if done.failed or done.unfinished else None


def _sentence(planned: Estimate) -> str:
    n_runs = len(planned.runs)
    if not planned.n_left:
        return f"The ladder has {counted(n_runs, 'run')}, and nothing is left to train."
    return (
        f"The ladder has {counted(n_runs, 'run')}, {planned.n_left:,} of them to train: "
        f"{si(planned.flops_left)}FLOPs, about {forecast.in_words(planned.seconds_left)} with "
        f"{planned.n_at_once:,} at a time."
    )


def _print_rungs(runs: list[Run]) -> None:
    """What each architecture reaches, a row for each of its budgets."""
    for text in dict.fromkeys(run.config.data for run in runs):
        of_text = [run for run in runs if run.config.data == text]
        frontier = Frontier.of(of_text, loss_on_test)
        part = "test_loss" if any(run.status.test for run in of_text) else "val_loss"
        print_table(
            [text.dataset, "budget", part, "least", "most", "seeds"],
            [
                [
                    ARCHITECTURES[name].title,
                    flops_text(rung.budget),
                    *(decimal(value) for value in (rung.mean, rung.least, rung.most)),
                    f"{rung.n_seeds}",
                ]
                for name, line in frontier.lines.items()
                for rung in line
            ],
        )
