"""From what a user chose to a run that could start: its config, its plan, or what is wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lm.architectures import ARCHITECTURES, DEFAULT, n_params
from lm.base.settings import ConfigError, Setting, settings
from lm.datasets import DATASETS, Corpus, DatasetError
from lm.datasets.config import DataConfig
from lm.runs import presets, recipes
from lm.runs.config import RunConfig
from lm.runs.plan import BudgetError, Plan, plan
from lm.runs.prepare import check_length
from lm.runs.presets import PRESETS
from lm.runs.presets.sized import REFERENCE_VOCAB_SIZE
from lm.updates.config import TrainingConfig
from pages.common import corpora, forms, words

MANTISSAS = (1, 1.5, 2, 3, 5, 7)
BUDGETS = (*(m * 10.0**e for e in range(9, 14) for m in MANTISSAS), 1e14)
DEFAULT_BUDGET = 1e12
HORIZONS = ("budget", "steps", "epochs")
HEADLINES = ("architecture", "dataset", "budget", "preset")  # what a run is called by first
DATA_NAMES = {"seed": "data_seed"}  # training has a seed too


def default_dataset() -> str:
    """The first corpus that is here and not the user's own."""
    return next(name for name in corpora.available() if not DATASETS[name].needs_path)


def model_settings(architecture: str) -> dict[str, Setting]:
    """The settings of an architecture, by name."""
    return ARCHITECTURES[architecture].settings


def training_settings() -> dict[str, Setting]:
    """The settings of training without the horizon, which is the budget here."""
    return {k: v for k, v in settings(TrainingConfig).items() if k not in HORIZONS}


def data_settings() -> dict[str, Setting]:
    """The settings of a corpus beyond which one it is; keys are the form's names."""
    known = settings(DataConfig)
    return {
        DATA_NAMES.get(name, name): known[name]
        for name in ("split", "tokenizer", "bpe_vocab_size", "n_chars", "seed")
    }


def settings_by_name(architecture: str) -> dict[str, Setting]:
    """All settings of a run by the form's names; of the model none if its code is gone."""
    of_data = {DATA_NAMES.get(name, name): each for name, each in settings(DataConfig).items()}
    of_model = ARCHITECTURES[architecture].settings if architecture in ARCHITECTURES else {}
    return {**of_data, **of_model, **settings(TrainingConfig)}


def parsers() -> dict[str, Callable[[str], Any]]:
    """For each URL parameter of the form, what turns it into a value or None."""
    known: dict[str, Setting] = {**data_settings(), **training_settings()}
    for architecture in ARCHITECTURES:
        known |= model_settings(architecture)
    found: dict[str, Callable[[str], Any]] = {
        name: functools.partial(forms.parse, setting) for name, setting in known.items()
    }
    found["architecture"] = lambda text: text if text in ARCHITECTURES else None
    found["preset"] = lambda text: text if text in PRESETS else None
    found["dataset"] = lambda text: text if text in corpora.available() else None
    found["text"] = lambda text: text if text in corpora.uploads() else None
    found["budget"] = _nearest_budget
    return found


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
    shown: Mapping[str, Any]  # the value of every setting, set or followed, by the form's name
    corpus: Corpus | None = None
    config: RunConfig | None = None
    plan: Plan | None = None
    problem: str | None = None

    @property
    def n_params(self) -> int:
        assert self.corpus is not None
        assert self.config is not None
        return n_params(self.config.model, self.corpus.tokenizer.vocab_size)


def draft(chosen: Mapping[str, Any]) -> Draft:
    """Work out everything that follows from what the user chose."""
    found = _with_config(chosen)
    if found.config is None or found.corpus is None:
        return found
    corpus = found.corpus
    try:
        check_length(found.config, corpus)
        steps = plan(found.config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    except (ConfigError, BudgetError) as error:
        return replace(found, problem=str(error))
    return replace(found, plan=steps)


def _with_config(chosen: Mapping[str, Any]) -> Draft:
    """The draft as far as its settings, without its plan."""
    architecture = chosen.get("architecture", DEFAULT)
    preset = chosen.get("preset", presets.DEFAULT)
    if not PRESETS[preset].suits(ARCHITECTURES[architecture]):
        preset = presets.DEFAULT
    budget = chosen.get("budget", DEFAULT_BUDGET)
    data = _data(chosen)
    asked = {"data": data, "architecture": architecture, "preset": preset, "budget": budget}
    corpus = None
    try:
        corpus = corpora.load(data)
        config = _resolve(chosen, asked, corpus)
    except (DatasetError, ValueError) as error:
        return Draft(**asked, shown=_fallback(chosen, asked), corpus=corpus, problem=str(error))
    return Draft(**asked, shown=_values(config), corpus=corpus, config=config)


def _data(chosen: Mapping[str, Any]) -> DataConfig:
    dataset = chosen.get("dataset", default_dataset())
    if DATASETS[dataset].needs_path and not corpora.uploads():
        dataset = default_dataset()
    values: dict[str, Any] = {"dataset": dataset}
    if DATASETS[dataset].needs_path:
        files = corpora.uploads()
        values["text_path"] = str(files.get(chosen.get("text", ""), next(iter(files.values()))))
    for name, setting in data_settings().items():
        if name in chosen and setting.applies({**chosen, "dataset": dataset}):
            values[next((k for k, v in DATA_NAMES.items() if v == name), name)] = chosen[name]
    return DataConfig(**values)


def _resolve(chosen: Mapping[str, Any], known: Mapping[str, Any], corpus: Corpus) -> RunConfig:
    model = {k: chosen[k] for k in model_settings(known["architecture"]) if k in chosen}
    training = {k: chosen[k] for k in training_settings() if k in chosen}
    return recipes.resolve(
        architecture=known["architecture"],
        preset=known["preset"],
        data=known["data"],
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=known["budget"],
        model=model,
        training=training,
    )


def _values(config: RunConfig) -> dict[str, Any]:
    data = config.data.model_dump()
    return {
        **{DATA_NAMES.get(name, name): value for name, value in data.items()},
        **config.model.model_dump(),
        **config.training.model_dump(),
    }


def _fallback(chosen: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What to show when the choices contradict each other: they, and defaults around them."""
    followed = recipes.resolve(
        architecture=known["architecture"],
        preset=known["preset"],
        data=known["data"],
        vocab_size=REFERENCE_VOCAB_SIZE,
        n_train_tokens=1_000_000,
        budget=known["budget"],
    )
    return {**_values(followed), **chosen}


def data_choices(data: DataConfig) -> dict[str, Any]:
    """What a user would have chosen to get this corpus: its name, and what is not its default."""
    chosen: dict[str, Any] = {"dataset": data.dataset}
    if data.text_path is not None:
        chosen["text"] = corpora.title(data)
    plain = DataConfig(dataset=data.dataset, text_path=data.text_path).model_dump()
    for name, value in data.model_dump().items():
        if value != plain[name]:
            chosen[DATA_NAMES.get(name, name)] = value
    return chosen


def choices_of(config: RunConfig) -> dict[str, Any]:
    """What a user would have chosen to get `config`: as little as gives the same settings."""
    horizon = config.training.budget or DEFAULT_BUDGET
    budget = min(BUDGETS, key=lambda known: abs(known / horizon - 1))
    architecture = config.model.architecture
    chosen = data_choices(config.data)
    chosen |= {"architecture": architecture, "preset": config.preset, "budget": budget}
    wanted = flat(config)
    follows = _with_config(chosen).shown
    for name in (*model_settings(architecture), *training_settings()):
        if wanted[name] != follows.get(name):
            chosen[name] = wanted[name]
            follows = _with_config(chosen).shown  # others may follow this one
    return chosen


# --- what differs --------------------------------------------------------------------------------


def telling_order(configs: Iterable[RunConfig]) -> list[str]:
    """Names of all settings of some runs, those first that say most about a run."""
    first, others = {str(name): None for name in HEADLINES}, dict[str, None]()
    for config in configs:
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
        return words.flops(value)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}".replace("e+", "e")
    return str(value)
