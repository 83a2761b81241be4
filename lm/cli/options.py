"""The options that several commands share, derived from the fields of configs.

The help of such an option is that of its field. Its value stays text until the config checks it,
so that an error is the config's own sentence.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

from lm import datasets
from lm.architectures import ARCHITECTURES, ArchitectureConfig
from lm.architectures import DEFAULT as DEFAULT_ARCHITECTURE
from lm.architectures import architecture as architecture_named
from lm.base.settings import Config, Setting, rule, settings
from lm.cli.command import Function, Option
from lm.cli.printing import note
from lm.datasets.config import DataConfig
from lm.runs import recipes
from lm.runs.presets import DEFAULT as DEFAULT_PRESET
from lm.runs.presets import PRESETS
from lm.runs.recipes import RunSpec
from lm.updates.config import TrainingConfig

SECTIONS: dict[str, type[Config]] = {"data": DataConfig, "training": TrainingConfig}
DATA_FIELDS = {
    name: path.removeprefix("data.")
    for name, path in recipes.SHORT_NAMES.items()
    if path.startswith("data.")
}
F = TypeVar("F", bound=Callable[..., Any])


def model_configs() -> dict[str, type[ArchitectureConfig]]:
    """Name of an architecture -> its config class."""
    return {name: architecture.config for name, architecture in ARCHITECTURES.items()}


# --- options ----------------------------------------------------------------------------------


json_option = click.option("--json", "as_json", is_flag=True, help="print one line of JSON, last")
run_argument = click.argument(
    "run", metavar="RUN", help="an id, the beginning of one, a name or a path"
)


class SettingOption(Option):
    """The option of one setting: its help is that of the field."""

    def __init__(self, *declarations: Any, config: type[Config], field: str, **attributes: Any):
        super().__init__(*declarations, describe=self._describe, **attributes)
        self.config, self.field = config, field

    @property
    def setting(self) -> Setting:
        return settings(self.config)[self.field]

    def make_metavar(self, ctx: click.Context) -> str:
        return "FILE" if self.field.endswith("_path") else self.opts[0][2:].upper()

    def _describe(self) -> str:
        setting = self.setting
        sentences = [setting.help]
        if setting.kind != "text":
            sentences.append(f"{rule(setting).capitalize()}.")
        if setting.default is not None:
            sentences.append(f"Default: {setting.default}.")
        return " ".join(sentences)


def setting_option(config: type[Config], field: str, name: str | None = None) -> Callable[[F], F]:
    """The option of a setting, called `name` where that is not the field's."""
    flag = f"--{(name or field).replace('_', '-')}"
    return click.option(flag, name or field, cls=SettingOption, config=config, field=field)


def config_options(config: type[Config]) -> Callable[[Function], Function]:
    """An option for every setting of `config`. The command's first argument is such a config."""
    return _settings_as(config, {name: name for name in settings(config)}, config)


def data_options(function: Function) -> Function:
    """Options that say which text. The command's first argument is a `DataConfig` made of them."""
    return _settings_as(DataConfig, DATA_FIELDS, lambda **given: RunSpec(data=given).text)(function)


def _settings_as(
    config: type[Config], fields: Mapping[str, str], make: Callable[..., Any]
) -> Callable[[Function], Function]:
    """Options for `fields` (option -> field).

    The command's first argument is what `make` makes of those that were given.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_made(*arguments: Any, **options: Any) -> int | None:
            given = {field: options.pop(name) for name, field in fields.items()}
            values = {field: value for field, value in given.items() if value is not None}
            return function(make(**values), *arguments, **options)

        own = [setting_option(config, field, name) for name, field in fields.items()]
        return _with_options(with_made, own)

    return decorate


def run_options(names: Mapping[str, str]) -> Callable[[Function], Function]:
    """Options that say what to train; the command's first argument is a `RunSpec` made of them.

    They are the architecture, the preset, any setting by --set, and for each of `names` (option ->
    "section.field") an option of its own.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_spec(
            *arguments: Any, architecture: str, preset: str, assignments: list[str], **options: Any
        ) -> int | None:
            by_flag = {path: options.pop(name) for name, path in names.items()}
            asked = _asked(architecture, preset, by_flag, assignments)
            return function(asked, *arguments, **options)

        own = []
        for name, path in names.items():
            section, _, field = path.partition(".")
            own.append(setting_option(SECTIONS[section], field, name))
        return _with_options(with_spec, [*own, *_RECIPE_OPTIONS])

    return decorate


_RECIPE_OPTIONS = (
    click.option(
        "--architecture",
        default=DEFAULT_ARCHITECTURE,
        metavar="NAME",
        cls=Option,
        describe=lambda: ", ".join(model_configs()),
    ),
    click.option(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME",
        cls=Option,
        describe=lambda: " ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items()),
    ),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="SECTION.NAME=VALUE",
        help="any setting, as in --set model.n_layers=2; may be repeated",
    ),
)


def _with_options(
    function: Function, options: Sequence[Callable[[Function], Function]]
) -> Function:
    """`function` with more options, which come in this order before those it has already."""
    for option in reversed(options):
        function = option(function)
    return function


def all_settings() -> str:
    """Every setting that --set takes, with its rule: the end of a help page."""
    sections: dict[str, Mapping[str, type[Config]]] = {
        "model": model_configs(),
        "training": {"": TrainingConfig},
        "data": {"": DataConfig},
    }
    lines = ["settings for --set SECTION.NAME=VALUE:"]
    for section, classes in sections.items():
        owners: dict[tuple[str, str], list[str]] = {}
        for architecture, config_class in classes.items():
            for name, field in settings(config_class).items():
                owners.setdefault((name, rule(field)), []).append(architecture)
        for (name, allowed), architectures in owners.items():
            of = "" if len(architectures) == len(classes) else f" ({', '.join(architectures)})"
            lines.append(f"  {section}.{name}: {allowed}{of}")
    return "\n".join(lines)


# --- what was asked for -----------------------------------------------------------------------


def load_corpus(data: DataConfig) -> datasets.Corpus:
    """Load a corpus, and say on stderr what to know of it."""
    corpus = datasets.load(data)
    say_of(corpus)
    return corpus


def say_of(corpus: datasets.Corpus) -> None:
    """Print what to know of a text on stderr: what is held out, and what was assumed or found."""
    for sentence in corpus.about:
        note(sentence)


def _asked(
    architecture: str, preset: str, by_flag: Mapping[str, Any], assignments: Iterable[str]
) -> RunSpec:
    """What flags and --set ask for. Raises ClickException."""
    sections = {**SECTIONS, "model": architecture_named(architecture).config}
    given: dict[str, Any] = {"architecture": architecture, "preset": preset}
    pairs = [(path, value) for path, value in by_flag.items() if value is not None]
    for path, value in [*pairs, *(_assignment(text, sections) for text in assignments)]:
        if path in given:
            raise click.ClickException(f"{path} is given twice.")
        given[path] = value
    return RunSpec.of(given)


def _assignment(text: str, sections: Mapping[str, type[Config]]) -> tuple[str, str | None]:
    """From model.n_layers=2 to ("model.n_layers", "2"). Raises ClickException.

    The value "none" becomes None where the setting can be left out.
    """
    path, equals, value = text.partition("=")
    section, _, name = path.strip().partition(".")
    if not equals or section not in sections or not name:
        raise click.ClickException(
            "--set takes SECTION.NAME=VALUE with section model, training or data, as in "
            f"model.n_layers=2. Received: {text!r}."
        )
    setting = settings(sections[section]).get(name)
    none = setting is not None and setting.optional and value.strip().lower() == "none"
    return f"{section}.{name}", None if none else value.strip()
