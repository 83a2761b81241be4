"""From what a person asks for to every setting of a run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm.architectures import ARCHITECTURES, DEFAULT
from lm.architectures import architecture as architecture_named
from lm.base.registry import did_you_mean, must_be_one_of
from lm.base.settings import Config, ConfigError, settings
from lm.base.wording import listed
from lm.datasets import OWN_TEXT, Corpus
from lm.datasets.config import DataConfig
from lm.runs import presets
from lm.runs.config import RunConfig
from lm.runs.presets import PRESETS, Brief
from lm.updates.config import TrainingConfig

HORIZONS = ("budget", "steps", "epochs")
SHORT_NAMES = {  # of settings that are asked for often
    "dataset": "data.dataset",
    "split": "data.split",
    "text": "data.text_path",
    "encoding": "data.encoding",
    "tokenizer": "data.tokenizer",
    "budget": "training.budget",
    "steps": "training.steps",
    "epochs": "training.epochs",
    "seed": "training.seed",
    "device": "training.device",
    "engine": "training.engine",
}


Load = Callable[[DataConfig], Corpus]


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """The run that somebody asks for: some settings by section. The preset decides the rest."""

    architecture: str = DEFAULT
    preset: str = presets.DEFAULT
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: Mapping[str, Any] = field(default_factory=dict[str, Any])
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the horizon among them

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> RunSpec:
        """Sort settings into sections.

        A name is "architecture", "preset", one of `SHORT_NAMES`, a section and a name, as in
        "model.d_model", or a name alone, which belongs to the first section that has it. Raises
        `ConfigError` for a name that does not exist.
        """
        architecture = given.get("architecture", DEFAULT)
        classes: dict[str, type[Config]] = {
            "training": TrainingConfig,
            "model": architecture_named(architecture).config,
            "data": DataConfig,
        }
        names = {section: list(settings(config)) for section, config in classes.items()}
        parts: dict[str, dict[str, Any]] = {section: {} for section in classes}
        for given_name, value in given.items():
            if given_name in ("architecture", "preset"):
                continue
            section, _, name = SHORT_NAMES.get(given_name, given_name).rpartition(".")
            owners = [section] if section else [s for s in classes if name in names[s]]
            if not owners or name not in names.get(owners[0], ()):
                every = list(itertools.chain.from_iterable(names.values()))
                near = did_you_mean(name, names.get(section, every))
                hint = (
                    f"Did you mean {near}?" if near else f"Its model has {listed(names['model'])}."
                )
                raise ConfigError(f"There is no setting {given_name} for {architecture}. {hint}")
            parts[owners[0]][name] = value
        return cls(architecture=architecture, preset=given.get("preset", presets.DEFAULT), **parts)

    @property
    def text(self) -> DataConfig:
        """Which text. A path alone is enough: its dataset is then the user's own text."""
        values = dict(self.data)
        if values.get("text_path") is not None:
            values.setdefault("dataset", OWN_TEXT)
            values["text_path"] = str(Path(values["text_path"]).expanduser().absolute())
        return DataConfig(**values)

    def load(self, load: Load) -> tuple[RunConfig, Corpus]:
        """Every setting of the run, and its corpus.

        Raises `ConfigError` for settings that cannot be, those of training before a text is read,
        and `DatasetError` for a text that cannot be read.
        """
        text = self.text
        TrainingConfig(**self.training)
        corpus = load(text)
        config = self.resolve(corpus.data, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
        return config, corpus

    def resolve(self, data: DataConfig, vocab_size: int, n_train_tokens: int) -> RunConfig:
        """Every setting of the run on a text of these numbers of tokens. Raises `ConfigError`."""
        training = dict(self.training)
        horizon = {name: training.pop(name, None) for name in HORIZONS}
        return resolve(
            architecture=self.architecture,
            preset=self.preset,
            data=data,
            vocab_size=vocab_size,
            n_train_tokens=n_train_tokens,
            model=self.model,
            training=training,
            **horizon,
        )


def resolve(
    *,
    architecture: str,
    data: DataConfig,
    vocab_size: int,
    n_train_tokens: int,
    preset: str = presets.DEFAULT,
    budget: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Every setting of a run. What `model` and `training` name wins over the preset.

    Raises `ConfigError` for an unknown architecture or preset and for impossible settings.
    """
    asked = architecture_named(architecture)  # an unknown architecture is named first
    if preset not in PRESETS:
        raise ConfigError(must_be_one_of("preset", preset, PRESETS))
    given = {"budget": budget, "steps": steps, "epochs": epochs}
    horizon = {name: value for name, value in given.items() if value is not None}
    asked_training: dict[str, Any] = {**(training or {}), **horizon}
    checked = TrainingConfig(**asked_training)
    brief = Brief(
        architecture=asked,
        data=data,
        vocab_size=vocab_size,
        n_train_tokens=n_train_tokens,
        horizon={name: getattr(checked, name) for name in horizon},
        model=dict(model or {}),
        training={name: getattr(checked, name) for name in training or {}},
    )
    if not PRESETS[preset].suits(asked):
        raise ConfigError(_unsuited(preset, architecture))
    chosen = PRESETS[preset].settings(brief)
    sections: dict[str, Any] = {
        "data": data.model_dump(),
        "model": {"architecture": architecture, **chosen.model, **brief.model},
        "training": {**chosen.training, **brief.training, **brief.horizon},
    }
    return RunConfig(preset=preset, **sections)


def _unsuited(preset: str, architecture: str) -> str:
    suited = [f"'{name}'" for name in ARCHITECTURES if PRESETS[preset].suits(ARCHITECTURES[name])]
    return (
        f"preset '{preset}' belongs to architecture {listed(suited, 'or')}. "
        f"Received: {architecture!r}."
    )
