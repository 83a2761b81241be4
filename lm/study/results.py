"""The results of a study: a row per run, by section."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    def rates_at_knobs(self, *architectures: str) -> pd.DataFrame:
        """The runs of the search at the knobs' budget, one for each learning rate and seed."""
        rows = self.all_of("search")
        at_knobs = rows["value"] == self.study.scale.knob_budget
        return rows[at_knobs & rows["name"].isin(architectures) & rows["test_loss"].notna()]

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
    return Results(
        study=study,
        frame=rows_of(families, store),
        choices={key: label for key, of_one in rows.items() if (label := choose(of_one))},
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
            place = (family.section, family.name, label.value, label.factor, label in best)
            rows.append((*place, *(value(run) for value in _COLUMNS.values()), seed))
    columns = ["section", "name", "value", "factor", "counts", *_COLUMNS, "seed"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(_NUMBERS, float))  # NaN where a run has no result


def _head_share(run: Run) -> float:
    """The share of the output layer in a step's FLOPs."""
    model, training = run.config.model, run.config.training
    parts = step_flops_by_module(
        model,
        run.vocab_size,
        batch_size=training.batch_size,
        sequence_length=run.config.sequence_length,
        optimizer=training.optimizer,
        objective=training.objective,
    )
    in_head = sum(parts[part.name].total for part in modules(model, run.vocab_size) if part.output)
    return in_head / sum(part.total for part in parts.values())


def _vocabulary_share(run: Run) -> float:
    """The share of embedding and output layer in the parameters."""
    parts = modules(run.config.model, run.vocab_size)
    return sum(p.n_params for p in parts if p.name == "embedding" or p.output) / run.n_params


def _from_table(*names: str) -> dict[str, Callable[[Run], Any]]:
    return {name: table.COLUMNS[name].value for name in names}


_COLUMNS: dict[str, Callable[[Run], Any]] = {
    **_from_table("run_id", "path", "state", "architecture", "preset", "dataset", "tokenizer"),
    "objective": lambda run: run.config.training.objective,
    "optimizer": lambda run: run.config.training.optimizer,
    "rate": lambda run: run.config.training.learning_rate,
    "context_length": lambda run: run.config.model.context_length,
    "sequence_length": lambda run: run.config.sequence_length,
    **_from_table("vocab_size", "n_params"),
    "vocabulary_share": _vocabulary_share,
    "head_share": _head_share,
    **_from_table("tokens", "flops", "seconds", "val_loss", "test_loss"),
    "log_likelihood": table.COLUMNS["test_log_likelihood"].value,
    "perplexity": table.COLUMNS["test_perplexity"].value,
    "bits_per_char": table.COLUMNS["test_bits_per_char"].value,
    "spelling_bits": table.COLUMNS["test_spelling_bits_per_char"].value,
}
_NUMBERS = list(_COLUMNS)[list(_COLUMNS).index("flops") :]


def meter_rows(results: Results) -> pd.DataFrame:
    """The coursework's own setups and our largest budgets, by its formula and by our count.

    Column "formula" has FLOPs by the coursework's formula, 2 × parameters × windows × their
    length, and "ratio" divides them by those counted.
    """
    theirs = results.section("naive", "classic").drop_duplicates("architecture")
    theirs = theirs.assign(setup="the coursework's: windows of 128, last position")
    ours = results.section("frontier").sort_values("value")
    ours = ours.drop_duplicates("architecture", keep="last").assign(setup="ours: all positions")
    rows = pd.concat([theirs, ours], ignore_index=True)
    window = rows["context_length"].where(rows["objective"] == "last_position", 1)
    formula = 2.0 * rows["n_params"] * rows["tokens"] * window
    return rows.assign(formula=formula, ratio=formula / rows["flops"])
