"""From what a person asks for to every setting of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lm.architectures import ARCHITECTURES
from lm.architectures import architecture as architecture_named
from lm.base.registry import must_be_one_of
from lm.base.settings import ConfigError
from lm.base.wording import listed
from lm.datasets.config import DataConfig
from lm.runs import presets
from lm.runs.config import RunConfig
from lm.runs.presets import PRESETS, Request
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
    request = Request(
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
    settings = PRESETS[preset].settings(request)
    sections: dict[str, Any] = {
        "data": data.model_dump(),
        "model": {"architecture": architecture, **settings.model, **request.model},
        "training": {**settings.training, **request.training, **request.horizon},
    }
    return RunConfig(preset=preset, **sections)


def _unsuited(preset: str, architecture: str) -> str:
    suited = [f"'{name}'" for name in ARCHITECTURES if PRESETS[preset].suits(ARCHITECTURES[name])]
    return (
        f"preset '{preset}' belongs to architecture {listed(suited, 'or')}. "
        f"Received: {architecture!r}."
    )
