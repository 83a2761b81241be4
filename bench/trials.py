"""Random settings around a default recipe, against the default: how near is it to the best?

    LM_DATASETS=… python -m bench.trials TEXT ARCHITECTURE BUDGET [--n 30]

Each trial draws every setting of `CHOICES` anew, half of the time leaving it as it is. Writes
docs/trials.csv, one row for each run; what has a row already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.trained import Job, Table, missing, train_all
from lm.base.settings import ConfigError

CSV = Path(__file__).parents[1] / "docs" / "trials.csv"
CHOICES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "model": {
        "ngram_order": (2, 3, 4, 5, 6, 7),
        "ngram_rows": (4_096, 16_384, 65_536, 131_072),
        "ngram_dropout": (0.0, 0.2, 0.4, 0.6, 0.8),
        "dropout": (0.0, 0.1, 0.2, 0.3),
    },
    "training": {
        "z_loss": (0.0, 0.03, 0.1, 0.3, 1.0),
        "weight_decay": (0.03, 0.1, 0.3, 1.0, 3.0),
    },
}


def drawn(seed: int) -> str:
    """Settings that are changed, as JSON."""
    random_ = random.Random(seed)
    changed: dict[str, dict[str, Any]] = {}
    for section, settings in CHOICES.items():
        for name, values in settings.items():
            value = random_.choice(values)
            if random_.random() < 0.5:
                changed.setdefault(section, {})[name] = value
    return json.dumps(changed)


def jobs(text: str, architecture: str, budget: float, n: int) -> Iterator[Job]:
    """The default, and `n` trials that are possible."""
    yield Job(text, architecture, budget)
    seed = 0
    while n:
        job = Job(text, architecture, budget, changed=drawn(seed))
        seed += 1
        try:
            job.config  # noqa: B018 - whether there is one
        except ConfigError:  # a setting that this architecture lacks
            continue
        n -= 1
        yield job


def main() -> None:
    """Train what is missing, and print the best and the default."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("text")
    parser.add_argument("architecture")
    parser.add_argument("budget", type=float)
    parser.add_argument("--n", type=int, default=30)
    options = parser.parse_args()
    table = Table.read(CSV)
    wanted = list(jobs(options.text, options.architecture, options.budget, options.n))
    for row in train_all(missing(wanted, table), table):
        print(row.validation, row.changed, flush=True)


if __name__ == "__main__":
    main()
