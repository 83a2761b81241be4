"""Training from the command line: it can be interrupted, and goes on later where it was."""

from __future__ import annotations

import contextlib
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import click

from lm.architectures import ARCHITECTURES
from lm.base.settings import Config, one_of, setting
from lm.base.wording import counted
from lm.cli.command import INTERRUPTED, Call
from lm.cli.printing import (
    Bar,
    bits_first,
    note,
    plain,
    print_json,
    print_values,
    show_sweep,
    show_training,
    si,
)
from lm.jobs.executors import EXECUTORS, Executor, open_executor
from lm.jobs.sweeps import SweepProgress
from lm.runs import Run
from lm.runs.remarks import remarks, slow_tables
from lm.runs.table import COLUMNS, json_row, row
from lm.training import execute


@contextlib.contextmanager
def interruptible() -> Iterator[list[str]]:
    """A list that gets a reason when Ctrl-C or SIGTERM comes. A second signal ends at once."""
    reasons: list[str] = []

    def interrupt(number: int, _: object) -> None:
        if reasons:
            raise KeyboardInterrupt
        reasons.append(f"It was interrupted by {signal.Signals(number).name}.")

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield reasons
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- one run, in this process -----------------------------------------------------------------


def train_here(run: Run, call: Call, as_json: bool) -> int | None:
    """Train a run to its end and print its results; returns the exit status."""
    facts = run.facts
    note(
        f"{run.run_id}: {ARCHITECTURES[run.config.model.architecture].title} of "
        f"{counted(facts.n_params, 'parameter')}, {counted(facts.n_steps, 'step')} of "
        f"{si(facts.flops_per_step.total)}FLOPs"
    )
    if run.status.checkpoint_step:
        note(f"It goes on from step {run.status.checkpoint_step:,}, its last checkpoint.")
    training = run.config.training
    if training.unspent:
        note(
            f"It keeps to its cap of {si(training.most_flops or 0)}FLOPs, which a preset sets to "
            f"what the text can teach it: {si(training.unspent)}FLOPs of the budget are left "
            "unspent. To spend them all the same, set training.budget_cap higher."
        )
    if (slow := slow_tables(run.config, run.vocab_size)) is not None:
        note(slow)
    bar, n_steps = Bar(), run.n_steps
    with interruptible() as reasons:
        try:
            run = execute(
                run,
                on_record=lambda record: show_training(bar, record, n_steps),
                should_pause=lambda: next(iter(reasons), False),
            )
        finally:
            bar.close()
    if run.state != "complete":
        where = f" --runs-dir {shlex.quote(str(call.runs_dir))}" if call.runs_dir else ""
        note(
            f"{run.name} is {run.state} at step {run.status.step:,} of {run.n_steps:,}. "
            f"Go on with: python -m lm resume {run.run_id}{where}"
        )
        return INTERRUPTED
    print_result(run, as_json)
    return None


# --- many runs, by an executor ----------------------------------------------------------------


class Destination(Config, frozen=True):
    """What trains the runs of a command. Each field is an option, by `config_options`."""

    executor: Annotated[str, *one_of(EXECUTORS)] = setting(
        "local", "What trains the runs: worker processes here, or a Ray cluster."
    )
    workers: int | None = setting(
        None, "Runs to train at a time. Left out: what there is room for.", ge=1, le=10_000
    )
    ray_address: str | None = setting(
        None, "auto, or HOST:PORT of a running cluster. Left out: one is started here."
    )


dry_run_option = click.option("--dry-run", is_flag=True, help="say what it would take, and end")


@dataclass
class Sending:
    """Runs on their way through an executor, with a bar for their progress."""

    executor: Executor
    reasons: list[str]  # of `interruptible`
    bars: dict[str, Bar] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        return bool(self.reasons)

    def show(self, progress: SweepProgress, stage: str = "") -> None:
        """Show the progress of a sweep. Each stage that has a name has a bar of its own."""
        if stage not in self.bars:
            if stage:
                note(f"{stage}: {counted(progress.n_runs, 'run')}")
            self.bars[stage] = Bar()
        show_sweep(self.bars[stage], progress)


@contextlib.contextmanager
def sending(to: Destination, n_left: int) -> Iterator[Sending]:
    """Open an executor for `n_left` runs, and close it at the end of the `with` block.

    Raises `ConfigError` where no cluster answers.
    """
    name = to.executor if n_left else "local"  # a cluster takes seconds to start
    executor = open_executor(name, workers=to.workers, ray_address=to.ray_address)
    bars: dict[str, Bar] = {}
    try:
        with interruptible() as reasons:
            yield Sending(executor, reasons, bars)
    finally:
        executor.close()
        for bar in bars.values():
            bar.close()


def say_why(problems: Mapping[str, str]) -> None:
    """Print the reason of each run that is not complete."""
    for run_id, reason in problems.items():
        note(f"{run_id}: {reason}")


def go_on_with(argv: Sequence[str]) -> str:
    """A sentence that says how to go on: with the same command."""
    return f"Go on with: {shlex.join(['python', '-m', 'lm', *argv])}"


# --- results ----------------------------------------------------------------------------------

# Columns of a table of runs, by the heading that each has there.
LOSSES = {
    "val_loss": "val_loss",
    "test_loss": "test_loss",
    "val_bits/char": "val_bits_per_char",
    "test_bits/char": "test_bits_per_char",
    "unknown words": "val_unknown_share",
}
LOSSES_READING = (
    "val_loss and test_loss are in nats per token, which compare within one text and one "
    "tokenizer; bits per character compare across the tokenizers of a text."
)


def loss_cells(run: Run) -> list[str]:
    """What a run scored, in the cells under `LOSSES`."""
    return [plain(value) for value in row(run, LOSSES.values()).values()]


def print_result(run: Run, as_json: bool) -> None:
    """What a run came to, as `train` and `resume` print it at the end."""
    for sentence in remarks(run):
        note(sentence)
    values = bits_first(json_row(run), run.status.valid)
    if as_json:
        print_json(values)
        return
    units = {entry.header or name: entry.unit for name, entry in COLUMNS.items()}
    print_values(values, units)
    note(f"The weights of the last step, {run.status.step:,}, are kept.")
