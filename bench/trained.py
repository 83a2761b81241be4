"""Trains many small runs on development texts and keeps a row of each.

A row names all that its loss depends on, so that a command that was interrupted continues.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
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


@dataclass
class Table:
    """Results of jobs in a CSV file. Losses are in nats per token, numbers stay text."""

    path: Path
    rows: dict[Job, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Table:
        """The rows of a file whose settings are those of today's recipes."""
        table = cls(path)
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    budget, seed = float(row["budget"]), int(row["seed"])
                    job = Job(row["text"], row["architecture"], budget, seed, row["changed"])
                    with contextlib.suppress(ConfigError):
                        if identity(job) == row["config"]:
                            table.rows[job] = row
        return table

    def add(self, job: Job, row: dict[str, str]) -> None:
        """Keep a row, and write the file anew."""
        self.rows[job] = row
        beside = self.path.with_suffix(".new")
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows.values())
        os.replace(beside, self.path)


def identity(job: Job) -> str:
    """A hash of all settings of a job. Raises `ConfigError` where they cannot be."""
    # the name and the encoding of a text's file decide nothing
    values = job.config.model_dump(mode="json", exclude={"data": {"text_path", "encoding"}})
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def train(job: Job) -> dict[str, str]:
    """Train a job here; returns its row."""
    corpus, config = development_text(job.text), job.config
    with tempfile.TemporaryDirectory() as folder:
        run = execute(prepare(config, RunStore(Path(folder)), corpus=corpus), corpus=corpus)
        assert run.status.valid is not None, run.reason
        metrics = run.metrics()
    return {
        "text": job.text,
        "architecture": job.architecture,
        "budget": f"{job.budget:.3g}",
        "seed": str(job.seed),
        "changed": job.changed,
        "config": identity(job),
        "n_train_tokens": str(corpus.train.n_tokens),
        "times_through": f"{run.facts.tokens / corpus.train.n_tokens:.3g}",
        "validation": f"{run.status.valid.loss:.4f}",
        "lowest": f"{metrics['sampled_val_loss'].min():.4f}",  # along the way, on a sample
        "train": f"{metrics['train_loss'].iloc[-1]:.4f}",
        "seconds": f"{run.status.seconds:.1f}",
    }


def train_missing(jobs: Iterable[Job], table: Table, dry_run: bool = False) -> bool:
    """Train the jobs that have no row yet, one on each processor, and print their losses.

    With `dry_run` it only says how long that would take, and returns False.
    """
    left = [job for job in jobs if job not in table.rows]
    hours = sum(job.seconds for job in left) / n_cores() / 3600
    print(f"{len(left)} runs to train: about {hours:.1f} hours.", flush=True)
    if dry_run:
        return False
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_cores(), mp_context=context) as pool:
        futures = {pool.submit(train, job): job for job in left}
        for future in as_completed(futures):
            job, row = futures[future], future.result()
            table.add(job, row)
            print(f"  {job.text}, {job.architecture}, {job.budget:.0e}: {row['validation']}")
    return True
