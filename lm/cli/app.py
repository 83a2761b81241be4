"""`python -m lm`: train, resume, sweep, compare, evaluate and sample from a terminal.

Results go to stdout, progress to stderr. The exit status is 2 for bad input, which is answered
with one sentence, 130 for an interruption and 1 for a training that failed. Only the commands
that train, evaluate or count FLOPs import torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import click

from lm.base.machine import use_one_blas_thread
from lm.base.registry import Registry
from lm.cli import (
    bench,
    cache,
    data,
    evaluate,
    flops,
    ladder,
    ngram,
    resume,
    runs,
    sample,
    study,
    sweep,
    train,
)
from lm.cli.command import BAD_INPUT, FAILED, INTERRUPTED, Call, Command, flags, unknown

COMMANDS: Registry[Command] = Registry(
    "command",
    [
        train.train,
        flops.flops,
        resume.resume,
        sweep.sweep,
        ladder.ladder,
        study.study,
        runs.runs,
        evaluate.evaluate,
        sample.sample,
        ngram.ngram,
        bench.bench,
        data.data,
        cache.cache,
    ],
)


class _Program(click.Group):
    """`python -m lm` itself, which finds its commands in `COMMANDS` when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Command:
        if cmd_name not in COMMANDS:
            raise unknown("command", cmd_name, COMMANDS)
        return COMMANDS[cmd_name]


PROGRAM = _Program(
    help="Small language models under a compute budget.",
    no_args_is_help=False,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (by default that of this process) and return its exit status."""
    use_one_blas_thread()
    argv = list(sys.argv[1:] if argv is None else argv)

    def call() -> int | None:
        with PROGRAM.make_context("python -m lm", list(argv), obj=Call(argv)) as context:
            return PROGRAM.invoke(context)

    return guarded(call)


def guarded(action: Callable[[], int | None]) -> int:
    """Call `action` and return its exit status. An error becomes one sentence on stderr."""
    try:
        status = action()
        sys.stdout.flush()
        return status or 0
    except click.exceptions.Exit as end:  # after --help
        return end.exit_code
    except click.ClickException as error:
        return _complain(_one_sentence(error))
    except BrokenPipeError:  # the reader of our output has gone: `python -m lm runs | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except ArithmeticError as error:
        return _complain(str(error), FAILED)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return _complain("Memory ran out. Lower the model's size, context_length or batch_size.")
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _complain(f"Could not use{where}: {error.strerror or error}.")
    except ValueError as error:
        return _complain(str(error))


def _complain(sentence: str, status: int = BAD_INPUT) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return status


def _one_sentence(error: click.ClickException) -> str:
    """An error of click's as one sentence that says where to read on."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and context:
        options = flags(context.command, context)
        return unknown("option", error.option_name, options).message
    sentence = error.format_message()
    if context:
        sentence = f"{sentence.rstrip('.')}; see `{context.command_path} --help`."
    return sentence
