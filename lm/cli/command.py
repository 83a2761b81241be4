"""What a command is: one of click's, with errors that are whole sentences.

A new command is a file beside this one and an entry of `lm.cli.app.COMMANDS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from lm.base.registry import did_you_mean
from lm.runs import RunStore, default_root

INTERRUPTED, FAILED, BAD_INPUT = 130, 1, 2  # exit statuses; 0 is success

Function = Callable[..., int | None]  # what a command does; None is success, too


@dataclass
class Call:
    """One command line. Commands that use `click.pass_obj` get it as their first argument."""

    argv: Sequence[str]
    runs_dir: Path | None = None

    @property
    def store(self) -> RunStore:
        """The runs that the command is about."""
        return RunStore(self.runs_dir or default_root())


class Option(click.Option):
    """An option whose help is made with the help page: by then registries may have grown."""

    def __init__(self, *declarations: Any, describe: Callable[[], str], **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.describe = describe

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = self.describe()
        return super().get_help_record(ctx)


def _keep_runs_dir(ctx: click.Context, _: click.Parameter, folder: Path | None) -> None:
    ctx.obj.runs_dir = folder


RUNS_DIR = click.Option(
    ["--runs-dir"],
    type=click.Path(path_type=Path),
    metavar="DIR",
    expose_value=False,
    callback=_keep_runs_dir,
    help="where runs are kept (default: $LM_RUNS_DIR, or checkpoints/ of the project)",
)


class Command(click.Command):
    """A command of `python -m lm`. Every one takes --runs-dir."""

    name: str

    def __init__(
        self, name: str, *, epilogue: Callable[[], str] | None = None, **attributes: Any
    ) -> None:
        super().__init__(name, short_help=attributes["help"], **attributes)
        self.params.insert(0, RUNS_DIR)
        self.allow_extra_args = True  # `parse_args` refuses them, with a sentence of its own
        self.epilogue = epilogue

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A value may begin with a dash, as in --prompt -x, unless it is itself an option."""
        options = flags(self, ctx)
        for flag, value in itertools.pairwise(args):
            takes_value = flag in options and not options[flag].is_flag
            if takes_value and value.partition("=")[0] in options:
                raise click.BadOptionUsage(flag, f"Option {flag} needs a value.", ctx)
        surplus = super().parse_args(ctx, args)
        if surplus:
            raise click.ClickException(
                f"{self.name} takes no further argument. Received: {surplus[0]!r}."
            )
        return surplus

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilogue:
            formatter.write(f"\n{self.epilogue()}\n")


def command(
    name: str, help: str, *, epilogue: Callable[[], str] | None = None
) -> Callable[[Function], Command]:
    """A decorator that makes a function a command.

    Its options and arguments follow below it, as click's decorators. `epilogue` makes the text that
    ends the help page.
    """
    return click.command(name, cls=Command, help=help, epilogue=epilogue)


def flags(of: click.Command, ctx: click.Context) -> dict[str, click.Option]:
    """Flag, such as "--preset" -> the option of the command that it stands for."""
    options = [option for option in of.get_params(ctx) if isinstance(option, click.Option)]
    return {flag: option for option in options for flag in option.opts}


def unknown(what: str, name: str, names: Iterable[str]) -> click.ClickException:
    """The error for a name that is none of `names`."""
    names = list(names)
    near = did_you_mean(name, names)
    hint = f"Did you mean {near}?" if near else f"There are {', '.join(names)}."
    return click.ClickException(f"There is no {what} {name!r}. {hint}")
