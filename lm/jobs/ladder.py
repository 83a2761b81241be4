"""Ladders: runs by the default recipe at rising budgets, against which other runs are held.

One comes with the program, without weights; a small one can be trained on any text. Both lie in a
folder of their own among the runs. `lm.runs.frontier` reads what a ladder says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lm.architectures import ARCHITECTURES
from lm.base.files import PROJECT
from lm.base.flops import flops_text
from lm.datasets.config import DataConfig
from lm.jobs.sweeps import Loader, Sweep, find
from lm.runs import LADDER, Run, RunStore, default_root
from lm.runs.config import RunConfig

SHIPPED = PROJECT / "sweeps" / "ladder.toml"
SMALL_BUDGETS = (1e9, 3e9, 1e10, 3e10, 1e11)  # training FLOPs


def ladder_store(root: RunStore | None = None) -> RunStore:
    """The ladders' runs in a folder of runs, by default that of `default_root`."""
    return RunStore((root.root if root else default_root()) / LADDER)


def shipped_ladder() -> Sweep:
    """The ladder that comes with the program."""
    return Sweep.from_file(SHIPPED)


def small_ladder(data: DataConfig) -> Sweep:
    """A ladder for one text: every architecture, one seed, a minute or two of two cores."""
    settings = data.model_dump(exclude_none=True, exclude_defaults=True)
    settings |= {"dataset": data.dataset, "tokenizer": data.tokenizer}
    return Sweep.from_dict(
        {
            "name": f"ladder on {data.dataset}",
            "base": {f"data.{name}": value for name, value in settings.items()},
            "axes": {"budget": list(SMALL_BUDGETS), "architecture": list(ARCHITECTURES)},
        }
    )


def ship(configs: Sequence[RunConfig], store: RunStore, load: Loader) -> list[Run]:
    """Pack the complete runs of a ladder into the collection that comes with the program.

    The collection then holds these runs alone. Returns those that are new in it.
    """
    found = (find(store, config, load(config.data).sha256) for config in configs)
    complete = [run for run in found if run is not None and run.state == "complete"]
    store.pack(replace(run, name=_name(run.config)) for run in complete)
    return [run.reload() for run in complete if not run.shipped]


def _name(config: RunConfig) -> str:
    architecture = ARCHITECTURES[config.model.architecture].title
    budget = flops_text(config.training.budget or 0)
    return f"Ladder: {architecture}, {budget}, seed {config.training.seed}"
