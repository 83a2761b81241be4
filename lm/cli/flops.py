"""`python -m lm flops`."""

from __future__ import annotations

from dataclasses import replace

import click

from lm.architectures import ARCHITECTURES, modules, n_params
from lm.base.flops import Cost, Scale
from lm.base.settings import Config, setting
from lm.base.wording import counted
from lm.cli.command import command
from lm.cli.options import all_settings, config_options, json_option, run_options
from lm.cli.printing import print_json, print_table
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops_by_module
from lm.runs.recipes import HORIZONS, RunSpec
from lm.runs.scale import NOTHING, step_scale_by_module

N_TRAIN_TOKENS = 1_000_000  # of an imagined text, since a preset asks how long the text is


class Vocabulary(Config, frozen=True):
    """What `flops` needs to know of a text."""

    vocab_size: int = setting(65, "Tokens in the vocabulary.", ge=2, le=10_000_000)


@command("flops", "Count what one training step costs.", epilogue=all_settings)
@run_options({"batch_size": "training.batch_size"})
@config_options(Vocabulary)
@json_option
def flops(vocabulary: Vocabulary, asked: RunSpec, as_json: bool) -> None:
    size = vocabulary.vocab_size
    if not any(name in asked.training for name in HORIZONS):
        asked = replace(asked, training={**asked.training, "steps": 1})
    config = asked.resolve(asked.text, size, N_TRAIN_TOKENS)
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
    scales = step_scale_by_module(config, size, n_rows, length)
    scale = sum(scales.values(), NOTHING)
    sizes = {module.name: module.n_params for module in modules(config.model, size)}
    from lm.training.meter import measured_step_flops

    measured = measured_step_flops(
        config.model, size, config.training, batch_size=n_rows, sequence_length=length
    )
    if as_json:
        rows = [
            {"name": name, "n_params": sizes[name], **count.to_dict(), **_scale(scales[name])}
            for name, count in by_module.items()
        ]
        totals = {"measured": measured.to_dict(), "formula": formula.to_dict(), **_scale(scale)}
        print_json({**totals, "modules": rows})
        return
    print(
        f"One step of {ARCHITECTURES[asked.architecture].title} ({asked.preset}) on "
        f"{counted(n_rows, 'row')} of {counted(length, 'token')}, "
        f"vocabulary {size:,}, {config.training.optimizer}:\n"
    )
    total = n_params(config.model, size)
    print_table(
        [
            "module",
            "parameters",
            "forward",
            "backward",
            "optimizer",
            "FLOPs",
            "operations",
            "bytes",
        ],
        [
            *(_row(name, sizes[name], count, scales[name]) for name, count in by_module.items()),
            _row("formula", total, formula, scale),
            _row("measured", total, measured),
        ],
    )
    print(
        "\nFLOPs are those of matrix products, 2 per multiply-add: forward, backward, optimizer, "
        "and in all. Operations are all arithmetic, lookups, norms and the optimizer's too; bytes "
        "are what operators read and write. docs/flops.md has the prices."
    )


def _row(name: str, size: int, count: Cost, scale: Scale | None = None) -> list[str]:
    numbers = [f"{number:,}" for number in (size, *count.to_dict().values())]
    if scale is None:
        return [name, *numbers, "-", "-"]
    return [name, *numbers, f"{scale.operations.total:,}", f"{scale.bytes.total:,}"]


def _scale(scale: Scale) -> dict[str, dict[str, int]]:
    return {"operations": scale.operations.to_dict(), "bytes": scale.bytes.to_dict()}


def _check_length(config: RunConfig) -> None:
    """Raises ClickException if a row length was given that no step of this run would have."""
    given = config.training.sequence_length
    if given not in (None, config.sequence_length):
        raise click.ClickException(
            f"training.sequence_length has no effect on {config.model.architecture} with "
            f"training.objective={config.training.objective}: its rows have "
            f"{config.sequence_length} position. Received: {given}."
        )
