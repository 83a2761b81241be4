"""From a user's choices to a run that could start: its config and its plan, or what is wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lm.architectures import ARCHITECTURES, DEFAULT, n_params, n_table_params
from lm.base.flops import flops_text
from lm.base.settings import ConfigError, Setting, settings
from lm.datasets import DATASETS, Corpus, DatasetError
from lm.datasets.config import DataConfig
from lm.runs import presets, recipes
from lm.runs.config import RunConfig
from lm.runs.plan import BudgetError, Plan, plan
from lm.runs.prepare import check_length
from lm.runs.presets import PRESETS
from lm.runs.presets.sized import REFERENCE_VOCAB_SIZE
from lm.runs.recipes import RunSpec
from lm.updates.config import TrainingConfig
from pages.common import corpora, forms

MANTISSAS = (1, 1.5, 2, 3, 5, 7)
BUDGETS = (*(m * 10.0**e for e in range(9, 14) for m in MANTISSAS), 1e14)
DEFAULT_BUDGET = 1e12
HEADLINES = ("architecture", "dataset", "budget", "preset")  # what a run is called by first
DATA_NAMES = {"seed": "data_seed"}  # training has a seed too


def default_dataset() -> str:
    """The first corpus that is on this machine and not the user's own text."""
    return next(name for name in corpora.available() if not DATASETS[name].needs_path)


def model_settings(architecture: str) -> dict[str, Setting]:
    """The settings of an architecture, by name."""
    return ARCHITECTURES[architecture].settings


def training_settings() -> dict[str, Setting]:
    """The settings of training without the horizon, which is the budget here."""
    return {k: v for k, v in settings(TrainingConfig).items() if k not in recipes.HORIZONS}


def data_settings(dataset: str | None = None) -> dict[str, Setting]:
    """The settings of a corpus beyond which one it is; keys are the form's names.

    Of one `dataset`, the cuts are those that it has.
    """
    of_data = settings(DataConfig)
    if dataset is not None:
        of_data["split"] = replace(of_data["split"], choices=DATASETS[dataset].splits)
    return {
        DATA_NAMES.get(name, name): setting
        for name, setting in of_data.items()
        if name not in ("dataset", "text_path")
    }


def settings_by_name(architecture: str) -> dict[str, Setting]:
    """All settings of a run by the form's names; of the model none if its code is gone."""
    of_data = {DATA_NAMES.get(name, name): each for name, each in settings(DataConfig).items()}
    of_model = ARCHITECTURES[architecture].settings if architecture in ARCHITECTURES else {}
    return {**of_data, **of_model, **settings(TrainingConfig)}


def parsers() -> dict[str, Callable[[str], Any]]:
    """For each URL parameter of the form, what turns it into a value or None."""
    by_name: dict[str, Setting] = {**data_settings(), **training_settings()}
    for architecture in ARCHITECTURES:
        by_name |= model_settings(architecture)
    parser_of: dict[str, Callable[[str], Any]] = {
        name: functools.partial(forms.parse, setting) for name, setting in by_name.items()
    }
    parser_of["architecture"] = lambda text: text if text in ARCHITECTURES else None
    parser_of["preset"] = lambda text: text if text in PRESETS else None
    parser_of["dataset"] = lambda text: text if text in corpora.available() else None
    parser_of["text"] = lambda text: text if text in corpora.uploads() else None
    parser_of["budget"] = _nearest_budget
    return parser_of


def _nearest_budget(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not BUDGETS[0] <= value <= BUDGETS[-1]:
        return None
    return min(BUDGETS, key=lambda budget: abs(budget / value - 1))


@dataclass(frozen=True)
class Draft:
    """A run that could start, or `problem`, a sentence saying why it could not."""

    data: DataConfig
    architecture: str
    preset: str
    budget: float
    values: Mapping[str, Any]  # of all settings by the form's names, whoever decided them
    corpus: Corpus | None = None
    config: RunConfig | None = None
    plan: Plan | None = None
    problem: str | None = None

    @property
    def n_params(self) -> int:
        assert self.corpus is not None
        assert self.config is not None
        return n_params(self.config.model, self.corpus.tokenizer.vocab_size)

    @property
    def n_table_params(self) -> int:
        """Those of them that lie in tables of n-grams."""
        assert self.corpus is not None
        assert self.config is not None
        return n_table_params(self.config.model, self.corpus.tokenizer.vocab_size)


def draft(choices: Mapping[str, Any]) -> Draft:
    """The run that follows from the user's choices (name in the form -> value)."""
    settled = _with_config(choices)
    if settled.config is None or settled.corpus is None:
        return settled
    corpus = settled.corpus
    try:
        check_length(settled.config, corpus)
        steps = plan(settled.config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    except (ConfigError, BudgetError) as error:
        return replace(settled, problem=str(error))
    return replace(settled, plan=steps)


def _with_config(choices: Mapping[str, Any]) -> Draft:
    """The draft as far as its settings, without its plan."""
    architecture = choices.get("architecture", DEFAULT)
    preset = choices.get("preset", presets.DEFAULT)
    if not PRESETS[preset].suits(ARCHITECTURES[architecture]):
        preset = presets.DEFAULT
    budget = choices.get("budget", DEFAULT_BUDGET)
    data = _data(choices)
    asked = {"data": data, "architecture": architecture, "preset": preset, "budget": budget}
    corpus = None
    try:
        corpus = corpora.load(data)
        config = _resolve(choices, asked, corpus)
    except (DatasetError, ValueError) as error:
        return Draft(**asked, values=_fallback(choices, asked), corpus=corpus, problem=str(error))
    return Draft(**asked, values=_values(config), corpus=corpus, config=config)


def _data(choices: Mapping[str, Any]) -> DataConfig:
    dataset = choices.get("dataset", default_dataset())
    if DATASETS[dataset].needs_path and not corpora.uploads():
        dataset = default_dataset()
    values: dict[str, Any] = {"dataset": dataset}
    if DATASETS[dataset].needs_path:
        files = corpora.uploads()
        values["text_path"] = str(files.get(choices.get("text", ""), next(iter(files.values()))))
    for name, setting in data_settings(dataset).items():
        if setting.choices and choices.get(name) not in setting.choices:
            continue  # a cut of another corpus
        if name in choices and setting.applies({**choices, "dataset": dataset}):
            values[next((k for k, v in DATA_NAMES.items() if v == name), name)] = choices[name]
    return DataConfig(**values)


def _resolve(choices: Mapping[str, Any], asked: Mapping[str, Any], corpus: Corpus) -> RunConfig:
    model = {k: choices[k] for k in model_settings(asked["architecture"]) if k in choices}
    training = {k: choices[k] for k in training_settings() if k in choices}
    spec = RunSpec(
        architecture=asked["architecture"],
        preset=asked["preset"],
        model=model,
        training={**training, "budget": asked["budget"]},
    )
    return spec.resolve(asked["data"], corpus.tokenizer.vocab_size, corpus.train.n_tokens)


def _values(config: RunConfig) -> dict[str, Any]:
    data = config.data.model_dump()
    return {
        **{DATA_NAMES.get(name, name): value for name, value in data.items()},
        **config.model.model_dump(),
        **config.training.model_dump(),
    }


def _fallback(choices: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The values to show when the choices contradict each other: the choices, and defaults."""
    spec = RunSpec(
        architecture=asked["architecture"],
        preset=asked["preset"],
        training={"budget": asked["budget"]},
    )
    followed = spec.resolve(asked["data"], REFERENCE_VOCAB_SIZE, 1_000_000)
    return {**_values(followed), **choices}


def switched(choices: Mapping[str, Any], setting: Setting, on: bool) -> dict[str, Any]:
    """The choices with one setting turned on or off by its switch.

    The setting follows the preset where that says the same, and is set by hand elsewhere.
    """
    assert setting.switch is not None
    follows = {name: value for name, value in choices.items() if name != setting.name}
    value = _with_config(follows).values.get(setting.name, setting.default)
    if (value != setting.switch.off) == on:
        return follows
    return {**follows, setting.name: setting.switch.on if on else setting.switch.off}


def data_choices(data: DataConfig) -> dict[str, Any]:
    """The choices that lead to this corpus: its name, and what differs from its defaults."""
    choices: dict[str, Any] = {"dataset": data.dataset}
    if data.text_path is not None:
        choices["text"] = Path(data.text_path).name
    plain = DataConfig(dataset=data.dataset, text_path=data.text_path).model_dump()
    for name, value in data.model_dump().items():
        if value != plain[name]:
            choices[DATA_NAMES.get(name, name)] = value
    return choices


def choices_of(config: RunConfig) -> dict[str, Any]:
    """The choices that lead to `config`: as few as give the same settings."""
    horizon = config.training.budget or DEFAULT_BUDGET
    budget = min(BUDGETS, key=lambda each: abs(each / horizon - 1))
    architecture = config.model.architecture
    choices = data_choices(config.data)
    choices |= {"architecture": architecture, "preset": config.preset, "budget": budget}
    wanted, names = _values(config), (*model_settings(architecture), *training_settings())

    def differing(choices: Mapping[str, Any]) -> set[str]:
        follows = _with_config(choices).values
        return {name for name in names if wanted[name] != follows.get(name)}

    differ = differing(choices)
    for name in names:
        if name in differ:
            choices[name] = wanted[name]
            differ = differing(choices)  # others may follow this one
    for name in names:  # which may follow by now from what was set after it
        if name in choices and not differ:
            fewer = {each: value for each, value in choices.items() if each != name}
            if not differing(fewer):
                choices = fewer
    return choices


# --- what differs --------------------------------------------------------------------------------


def telling_order(configs: Iterable[RunConfig]) -> list[str]:
    """The names of all settings of some runs, first those that say most about a run."""
    first, others = {str(name): None for name in HEADLINES}, dict[str, None]()
    # of each architecture one, since all of its runs have the same settings
    for config in {config.model.architecture: config for config in configs}.values():
        by_name = settings_by_name(config.model.architecture)
        for name in flat(config):
            says_most = name in by_name and by_name[name].tells == "first"
            (first if says_most else others)[name] = None
    return list(first | others)


def differences(before: RunConfig, after: RunConfig) -> list[str]:
    """What changed between two configs, as "n_layers 2→4"."""
    old, new = flat(before), flat(after)
    names = [n for n in telling_order([after]) if n in new and old.get(n) != new[n]]
    if "architecture" in names:  # its settings are others altogether
        names = [n for n in names if n == "architecture" or n in training_settings()]
    return [f"{n} {value_text(old.get(n), n)}→{value_text(new[n], n)}" for n in names]


def flat(config: RunConfig) -> dict[str, Any]:
    """Every setting of a run under the form's names."""
    return {"preset": config.preset, **_values(config)}


def value_text(value: Any, name: str = "") -> str:
    """A setting's value in a few characters."""
    if name == "budget" and value:
        return flops_text(value)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}".replace("e+", "e")
    return str(value)
