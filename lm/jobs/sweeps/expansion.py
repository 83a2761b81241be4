"""From a sweep to its runs, which are known by their content: a hash of settings and text."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable

from lm.base.settings import ConfigError
from lm.datasets import Corpus, DatasetError, load
from lm.datasets.config import DataConfig
from lm.jobs.sweeps.definition import Point, Sweep, in_words
from lm.runs import Run, RunError, RunStore, read_run
from lm.runs.collection import packed_files
from lm.runs.config import RunConfig
from lm.runs.plan import BudgetError, plan
from lm.runs.prepare import check_length
from lm.runs.recipes import RunSpec

HASH_LENGTH = 10
THREADS = 1  # of a run: more runs at a time serve better than more threads (docs/sweeps.md)

Loader = Callable[[DataConfig], Corpus]


def remembered(load: Loader) -> Loader:
    """`load`, reading each corpus once."""
    return functools.cache(load)  # type: ignore[arg-type] - frozen models can be hashed


def expand(sweep: Sweep, load: Loader = load) -> list[RunConfig]:
    """The runs of a sweep, in the order of its axes, equal ones once.

    All of them can be trained: what cannot raises `ConfigError`, naming the combination. A run
    takes one thread unless the sweep sets training.threads, so that it gives the same bits on
    any machine and as many run at a time as there are processors.
    """
    load = remembered(load)
    configs: dict[RunConfig, None] = {}
    for chosen, point in sweep.points():
        try:
            configs[_config(point, load)] = None
        except (ConfigError, DatasetError, BudgetError) as error:
            settings = ", ".join(f"{name} = {in_words(value)}" for name, value in chosen.items())
            where = f" ({settings})" if settings else ""
            raise ConfigError(f"{sweep.name}{where}: {error}") from None
    return list(configs)


def _config(point: Point, load: Loader) -> RunConfig:
    config, corpus = RunSpec.of({"training.threads": THREADS, **point}).load(load)
    check_length(config, corpus)
    plan(config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    return config


def stable_id(config: RunConfig, sha256: str) -> str:
    """The id of the run of these settings on the text of this hash.

    Settings that are at their defaults do not enter, so ids survive settings to come.
    """
    settings = config.model_dump(mode="json", exclude_defaults=True)
    content = json.dumps([settings, sha256], sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
    return f"{config.model.architecture}-{config.data.dataset}-{digest}"


def find(store: RunStore, config: RunConfig, sha256: str) -> Run | None:
    """The run of these settings in a store.

    Raises `RunError` for a folder that is damaged, or taken by another run.
    """
    path = store.root / stable_id(config, sha256)
    if not (path.is_dir() or packed_files(path)):
        return None
    run = read_run(path)
    if run.config != config or run.facts.sha256 != sha256:
        raise RunError(
            f"{run.path} holds a run of other settings, of which today's defaults make the same "
            "id. Move it elsewhere."
        )
    return run
