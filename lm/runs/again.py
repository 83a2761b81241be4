"""The command that trains a run once more, for whoever has its results and wants its weights."""

from __future__ import annotations

import shlex
from typing import Any

from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.recipes import HORIZONS, SHORT_NAMES, resolve


def command_to_train(config: RunConfig, vocab_size: int, n_train_tokens: int) -> str:
    """`python -m lm train` with these settings: what the preset chooses anyway is left out."""
    horizon = {name: getattr(config.training, name) for name in HORIZONS}
    given: dict[str, dict[str, Any]] = {"model": {}, "training": {}}
    while True:  # what is given may change what the preset chooses for the rest
        chosen = resolve(
            architecture=config.model.architecture,
            data=config.data,
            vocab_size=vocab_size,
            n_train_tokens=n_train_tokens,
            preset=config.preset,
            **given,
            **horizon,
        )
        if chosen == config:
            break
        for section, settings in given.items():
            wanted, found = (getattr(c, section).model_dump() for c in (config, chosen))
            settings |= {name: value for name, value in wanted.items() if value != found[name]}
    plain = DataConfig(dataset=config.data.dataset).model_dump()  # its other fields follow it
    data = {name: value for name, value in config.data.model_dump().items() if value != plain[name]}
    data["dataset"] = config.data.dataset
    given["training"] |= {name: value for name, value in horizon.items() if value is not None}
    names = {path: name for name, path in SHORT_NAMES.items()}
    words = ["--architecture", config.model.architecture, "--preset", config.preset]
    for section, settings in {"data": data, **given}.items():
        for name, value in settings.items():
            path = f"{section}.{name}"
            if path in names and value is not None:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                words += [f"--{names[path]}", text]
            else:
                words += ["--set", f"{path}={'none' if value is None else value}"]
    return shlex.join(["python", "-m", "lm", "train", *words])
