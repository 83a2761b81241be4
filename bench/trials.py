"""Random settings around a default recipe, against the default: how near is it to the best?

    LM_DATASETS=… python -m bench.trials --architecture NAME … [--text TEXT …] [--budget 1e11 …]

Of each text, architecture and budget it trains the default and `n` trials. Each trial changes every
setting of `CHOICES` and `FACTORS` with a probability of a third. Writes docs/trials.csv, a row for
each run; what has a row already is not trained again. Then it prints how far each default ends
above the best of its trials, on validation.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.development import TEXTS
from bench.trained import Job, Table, train_missing
from lm.base.settings import ConfigError

CSV = Path(__file__).parents[1] / "docs" / "trials.csv"
STUDIED = ("tiny_shakespeare, 60k", "tiny_shakespeare, 300k", "python_reference", "ptb")
BUDGETS = (1e10, 1e11, 1e12)  # training FLOPs
CHANCE = 1 / 3  # of a setting to be changed

CHOICES: dict[str, tuple[float, ...]] = {  # setting -> its values in trials
    "model.members": (1, 2, 4),
    "model.ngram_order": (3, 4, 5, 6, 7),
    "model.ngram_rows": (4_096, 16_384, 65_536, 131_072),
    "model.ngram_dropout": (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8),
    "model.dropout": (0.0, 0.1, 0.2, 0.3),
    "training.z_loss": (0.0, 0.03, 0.1, 0.3, 1.0),
    "training.weight_decay": (0.03, 0.1, 0.3, 1.0, 3.0),
}
FACTORS: dict[str, tuple[float, ...]] = {  # setting -> factors of the default's value
    "model.d_model": (0.5, 0.75, 1.5, 2),
    "model.d_hidden": (0.5, 0.75, 1.5, 2),
    "model.context_length": (0.5, 2),
    "training.learning_rate": (0.5, 0.7, 1.4, 2),
    "training.batch_size": (0.5, 2),
}


def changed(default: Job, seed: int) -> str:
    """Settings that a trial changes, as JSON."""
    drawn, recipe = random.Random(seed), default.config.model_dump()
    changes: dict[str, dict[str, float]] = {"model": {}, "training": {}}
    for name, options in (CHOICES | FACTORS).items():
        section, _, setting = name.partition(".")
        value, change = drawn.choice(options), drawn.random() < CHANCE
        if change and setting in recipe[section]:
            before = recipe[section][setting]
            if name in FACTORS:
                value = _scaled(before, value, setting)
            if value != before:
                changes[section][setting] = value
    return json.dumps({section: values for section, values in changes.items() if values})


def _scaled(value: float, factor: float, name: str) -> float:
    if isinstance(value, float):
        return float(f"{factor * value:.3g}")
    step = 4 if name.startswith("d_") else 1  # widths are multiples of four
    return max(step, round(factor * value / step) * step)


def trials(default: Job, n: int) -> Iterator[Job]:
    """`n` trials around a default, no two alike."""
    found: set[str] = {default.changed}
    for seed in itertools.count():
        job = Job(default.text, default.architecture, default.budget, 0, changed(default, seed))
        if job.changed in found:
            continue
        try:
            _ = job.config
        except ConfigError:  # there is no such config
            continue
        found.add(job.changed)
        yield job
        if len(found) > n:
            return


def report(table: Table, default: Job, wanted: Iterable[Job]) -> str:
    """How far a default ends above the best of its trials, and which that is."""
    losses = {job: float(table.rows[job]["validation"]) for job in wanted}
    best = min(losses, key=losses.__getitem__)
    above = float(table.rows[default]["validation"]) - losses[best]
    better = sum(loss < losses[best] + above for loss in losses.values())
    return (
        f"{default.text}, {default.architecture}, {default.budget:.0e}: {above:+.3f} above the "
        f"best of {len(losses)} ({losses[best]:.3f}: {best.changed}); {better} are better"
    )


def main() -> None:
    """Train what is missing, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--text", action="append", metavar="TEXT", help=", ".join(TEXTS))
    parser.add_argument("--architecture", action="append", required=True)
    parser.add_argument("--budget", action="append", type=float)
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--dry-run", action="store_true", help="only say how long it would take")
    options = parser.parse_args()
    table, around = Table.read(CSV), dict[Job, list[Job]]()
    texts, architectures = options.text or STUDIED, options.architecture
    for budget in sorted(options.budget or BUDGETS):
        for text, architecture in itertools.product(texts, architectures):
            default = Job(text, architecture, budget)
            around[default] = list(trials(default, options.n))
    every = (job for default, jobs in around.items() for job in (default, *jobs))
    if train_missing(every, table, options.dry_run):
        for default, jobs in around.items():
            print(report(table, default, jobs))


if __name__ == "__main__":
    main()
