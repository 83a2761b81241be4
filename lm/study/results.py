"""The results of a study: a row per run, by section."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lm.architectures import modules
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram
from lm.runs import Run, RunStore, table
from lm.runs.flops import step_flops_by_module
from lm.study.choices import (
    Validated,
    best_checkpoints,
    choose,
    choose_each,
    runs_of,
    tuned_factors,
    validated,
)
from lm.study.families import Family, Label, Study


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of a study, from which figures and report are made."""

    study: Study
    frame: pd.DataFrame  # as `rows_of` gives it
    choices: Mapping[tuple[str, str], Label]  # (family, architecture) -> best on validation
    checkpoints: Mapping[tuple[str, str], str]  # (architecture, corpus) -> id of the best run

    def section(self, section: str, name: str | None = None) -> pd.DataFrame:
        """Runs of a section with a result on test, at the learning rates that were chosen."""
        rows = self.all_of(section, name)
        return rows[rows["counts"] & rows["test_loss"].notna()]

    def all_of(self, section: str, name: str | None = None) -> pd.DataFrame:
        """Every run of a section."""
        rows = self.frame[self.frame["section"] == section]
        return rows if name is None else rows[rows["name"] == name]

    def word_runs(self, dataset: str) -> pd.DataFrame:
        """The runs on the words of a corpus, at rising FLOPs."""
        return self.section("words", dataset).sort_values("flops")

    @cached_property
    def references(self) -> dict[str, dict[str, float]]:
        """Corpus -> name of an n-gram -> its loss on test, nats per token."""
        by_corpus = {}
        for name in self.study.corpora:
            scores = ngram.baselines(self.study.load(DataConfig(dataset=name)))
            by_corpus[name] = {kind: parts["test"].loss for kind, parts in scores.items()}
        return by_corpus


def gather(study: Study, store: RunStore) -> Results:
    """The results of a study, read from the runs that are in the store."""
    families = [*study.searches(), *study.comparisons(tuned_factors(study, store))]
    rows: dict[tuple[str, str], list[Validated]] = {}
    for family in families:
        if family.section in ("knobs", "siblings"):
            key = (family.name, family.architecture)
            rows.setdefault(key, []).extend(validated(family, store))
    choices = {key: choose(of_one) for key, of_one in rows.items()}
    return Results(
        study=study,
        frame=rows_of(families, store),
        choices={key: label for key, label in choices.items() if label is not None},
        checkpoints=best_checkpoints(families, store),
    )


# --- a run as a row -------------------------------------------------------------------------------


def rows_of(families: Iterable[Family], store: RunStore) -> pd.DataFrame:
    """A row per run of the families: its label, its settings, and its results on whole splits.

    Where a value was tried at several learning rates, column "counts" is True for the rate that
    is best on validation. The other rows say what the search cost.
    """
    rows = []
    for family in families:
        best = set(choose_each(validated(family, store)))
        for label, seed, run in runs_of(family, store):
            rows.append(
                {
                    "section": family.section,
                    "name": family.name,
                    "value": label.value,
                    "factor": label.factor,
                    "counts": label in best,
                    **_row(run),
                    "seed": seed,
                }
            )
    columns = ["section", "name", "value", "factor", "counts", *_COLUMNS, "seed"]
    return pd.DataFrame(rows, columns=columns)


_TEST = {  # what the report calls results on test -> their column in `runs.table`
    "log_likelihood": "test_log_likelihood",
    "perplexity": "test_perplexity",
    "bits_per_char": "test_bits_per_char",
    "spelling_bits": "test_spelling_bits_per_char",
}
_RESULTS = ("val_loss", "test_loss", *_TEST)
_COLUMNS = (
    "run_id",
    "path",
    "state",
    "architecture",
    "preset",
    "dataset",
    "tokenizer",
    "objective",
    "optimizer",
    "rate",
    "context_length",
    "sequence_length",
    "vocab_size",
    "n_params",
    "vocabulary_share",
    "head_share",
    "tokens",
    "flops",
    "seconds",
    "val_loss",
    "test_loss",
    "log_likelihood",
    "perplexity",
    "bits_per_char",
    "spelling_bits",
)


def _row(run: Run) -> dict[str, object]:
    data, model, training = run.config.data, run.config.model, run.config.training
    parts = step_flops_by_module(
        model,
        run.vocab_size,
        batch_size=training.batch_size,
        sequence_length=run.config.sequence_length,
        optimizer=training.optimizer,
        objective=training.objective,
    )
    listed = modules(model, run.vocab_size)
    in_head = sum(parts[part.name].total for part in listed if part.output)
    in_vocabulary = sum(part.n_params for part in listed if part.name == "embedding" or part.output)
    row = {
        **table.row(run, ("run_id", "path", "state", "architecture", "preset", "dataset")),
        "tokenizer": data.tokenizer,
        "objective": training.objective,
        "optimizer": training.optimizer,
        "rate": training.learning_rate,
        "context_length": model.context_length,
        "sequence_length": run.config.sequence_length,
        **table.row(run, ("vocab_size", "n_params")),
        "vocabulary_share": in_vocabulary / run.n_params,
        "head_share": in_head / sum(part.total for part in parts.values()),
        **table.row(run, ("tokens", "flops", "seconds", "val_loss", "test_loss")),
        **{name: table.COLUMNS[column].value(run) for name, column in _TEST.items()},
    }
    row |= {name: math.nan for name in _RESULTS if row[name] is None}
    return {**row, "flops": float(row["flops"])}


# --- the naive meter ------------------------------------------------------------------------------


def naive_flops(rows: pd.DataFrame) -> pd.Series:
    """FLOPs by the coursework's formula: 2 × parameters × windows × their length."""
    last = rows["objective"] == "last_position"
    positions = rows["tokens"] * rows["context_length"].where(last, 1)
    return 2.0 * rows["n_params"] * positions


def meter_rows(results: Results) -> pd.DataFrame:
    """The coursework's own setups and our largest budgets, by its formula and by our count.

    Column "formula" has FLOPs by the formula, and "ratio" divides them by those counted.
    """
    rows = results.section("naive", "classic").drop_duplicates("architecture")
    rows = rows.assign(setup="the coursework's: windows of 128, last position")
    ours = (
        results.section("frontier")
        .sort_values("value")
        .drop_duplicates("architecture", keep="last")
    )
    rows = pd.concat([rows, ours.assign(setup="ours: all positions")], ignore_index=True)
    return rows.assign(formula=naive_flops(rows), ratio=naive_flops(rows) / rows["flops"])
