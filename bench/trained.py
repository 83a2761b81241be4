"""Trains many small runs on development texts and keeps a row of each.

A row names all that its loss depends on, so that a command that was interrupted continues.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.development import development_text
from lm.base.machine import n_cores
from lm.base.settings import ConfigError
from lm.runs import RunStore, forecast, recipes
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.training import execute


@dataclass(frozen=True)
class Job:
    """A default recipe, with some settings changed, on a development text."""

    text: str
    architecture: str
    budget: float
    seed: int = 0
    changed: str = "{}"  # JSON: {"model": {…}, "training": {…}}

    @property
    def config(self) -> RunConfig:
        """All its settings. Raises `ConfigError` where they cannot be."""
        corpus = development_text(self.text)
        changed = json.loads(self.changed)
        return recipes.resolve(
            architecture=self.architecture,
            data=corpus.data,
            vocab_size=corpus.tokenizer.vocab_size,
            n_train_tokens=corpus.train.n_tokens,
            budget=self.budget,
            model=changed.get("model"),
            training={**changed.get("training", {}), "seed": self.seed, "threads": 1},
        )

    @property
    def seconds(self) -> float:
        """Predicted time on one processor."""
        corpus, config = development_text(self.text), self.config
        vocab_size = corpus.tokenizer.vocab_size
        steps = plan(config, vocab_size, corpus.train.n_tokens)
        return forecast.whole_seconds(config, steps, vocab_size, corpus.n_scored_tokens, [])


@dataclass(frozen=True)
class Row:
    """The result of a job."""

    text: str
    architecture: str
    budget: str
    seed: str
    changed: str
    config: str  # identifies all settings: rows of other recipes are out of date
    n_train_tokens: str
    times_through: str
    validation: str  # nats per token
    lowest: str  # sampled validation loss along the way
    train: str  # loss of the last steps
    seconds: str  # of training

    @property
    def key(self) -> tuple[str, ...]:
        return self.text, self.architecture, self.budget, self.seed, self.changed, self.config

    @property
    def is_current(self) -> bool:
        """Whether the recipes of today have these settings."""
        job = Job(self.text, self.architecture, float(self.budget), int(self.seed), self.changed)
        try:
            return key_of(job) == self.key
        except ConfigError:
            return False


def key_of(job: Job) -> tuple[str, ...]:
    """Identifies the row of a job. Raises `ConfigError` where its settings cannot be."""
    # the name and the encoding of a text's file decide nothing
    values = job.config.model_dump(mode="json", exclude={"data": {"text_path", "encoding"}})
    identity = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]
    return job.text, job.architecture, f"{job.budget:.3g}", str(job.seed), job.changed, identity


def train(job: Job) -> Row:
    """Train it here."""
    corpus, config = development_text(job.text), job.config
    with tempfile.TemporaryDirectory() as folder:
        run = execute(prepare(config, RunStore(Path(folder)), corpus=corpus), corpus=corpus)
        assert run.status.valid is not None, run.reason
        metrics = run.metrics()
    times = run.facts.tokens / corpus.train.n_tokens
    return Row(
        *key_of(job),
        n_train_tokens=str(corpus.train.n_tokens),
        times_through=f"{times:.3g}",
        validation=f"{run.status.valid.loss:.4f}",
        lowest=f"{metrics['sampled_val_loss'].min():.4f}",
        train=f"{metrics['train_loss'].iloc[-1]:.4f}",
        seconds=f"{run.status.seconds:.1f}",
    )


@dataclass
class Table:
    """Rows in a CSV file."""

    path: Path
    rows: dict[tuple[str, ...], Row] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Table:
        """The rows of a file that belong to the recipes of today."""
        table = cls(path)
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                for values in csv.DictReader(file):
                    row = Row(**values)
                    if row.is_current:
                        table.rows[row.key] = row
        return table

    def add(self, row: Row) -> None:
        """Keep a row, and write the file anew."""
        self.rows[row.key] = row
        beside = self.path.with_suffix(".new")
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(Row.__dataclass_fields__), lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows.values())
        os.replace(beside, self.path)


def train_missing(jobs: Iterable[Job], table: Table, dry_run: bool = False) -> bool:
    """Train the jobs that have no row yet, one on each processor, and print their losses.

    With `dry_run` it only says how long that would take, and returns False.
    """
    left = [job for job in jobs if key_of(job) not in table.rows]
    hours = sum(job.seconds for job in left) / n_cores() / 3600
    print(f"{len(left)} runs to train: about {hours:.1f} hours.", flush=True)
    if dry_run:
        return False
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_cores(), mp_context=context) as pool:
        for future in as_completed([pool.submit(train, job) for job in left]):
            row = future.result()
            table.add(row)
            print(f"  {row.text}, {row.architecture}, {row.budget}: {row.validation} {row.changed}")
    return True
