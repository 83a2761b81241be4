"""`python -m lm flops`."""

from __future__ import annotations

import click

from lm.architectures import modules, n_params
from lm.base.flops import Cost
from lm.base.settings import Config, setting
from lm.cli.command import command
from lm.cli.options import Request, all_settings, config_options, json_option, run_options
from lm.cli.printing import print_json, print_table
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops_by_module
from lm.runs.recipes import HORIZONS

N_TRAIN_TOKENS = 1_000_000  # of an imagined text, since a preset asks how long the text is


class Vocabulary(Config, frozen=True):
    """What `flops` needs to know of a text."""

    vocab_size: int = setting(65, "Tokens in the vocabulary.", ge=2, le=10_000_000)


@command("flops", "Count the FLOPs of one training step.", epilogue=all_settings)
@run_options({"batch_size": "training.batch_size"})
@config_options(Vocabulary)
@json_option
def flops(vocabulary: Vocabulary, request: Request, as_json: bool) -> None:
    size = vocabulary.vocab_size
    if all(request.given["training"].get(name) is None for name in HORIZONS):
        request.given["training"]["steps"] = 1
    config = request.resolve(data=request.data, vocab_size=size, n_train_tokens=N_TRAIN_TOKENS)
    _check_length(config)
    n_rows, length = config.training.batch_size, config.sequence_length
    by_module = step_flops_by_module(
        config.model,
        size,
        batch_size=n_rows,
        sequence_length=length,
        optimizer=config.training.optimizer,
        objective=config.training.objective,
    )
    formula = sum(by_module.values(), Cost())
    sizes = {module.name: module.n_params for module in modules(config.model, size)}
    from lm.training.meter import measured_step_flops

    measured = measured_step_flops(
        config.model, size, config.training, batch_size=n_rows, sequence_length=length
    )
    if as_json:
        rows = [
            {"name": name, "n_params": sizes[name], **count.to_dict()}
            for name, count in by_module.items()
        ]
        print_json({"measured": measured.to_dict(), "formula": formula.to_dict(), "modules": rows})
        return
    print(
        f"One step of {request.architecture} ({request.preset}) on "
        f"{n_rows:,} rows of {length:,} tokens, "
        f"vocabulary {size:,}, {config.training.optimizer}:\n"
    )
    total = n_params(config.model, size)
    print_table(
        ["module", "parameters", "forward", "backward", "optimizer", "total"],
        [
            *(_row(name, sizes[name], count) for name, count in by_module.items()),
            _row("formula", total, formula),
            _row("measured", total, measured),
        ],
    )
    print(
        "\nFLOPs of matrix products, 2 per multiply-add. Not counted: embedding lookups, softmax, "
        "norms, elementwise work."
    )


def _row(name: str, size: int, count: Cost) -> list[str]:
    return [name, *(f"{number:,}" for number in (size, *count.to_dict().values()))]


def _check_length(config: RunConfig) -> None:
    """Raises ClickException if a row length was given that no step of this run would have."""
    given = config.training.sequence_length
    if given not in (None, config.sequence_length):
        raise click.ClickException(
            f"training.sequence_length has no effect on {config.model.architecture} with "
            f"training.objective={config.training.objective}: its rows have "
            f"{config.sequence_length} position. Received: {given}."
        )
