"""The choices of a study on validation: learning rates, values of settings, checkpoints.

A choice sees `Validated` rows alone, which hold no result on test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from lm.jobs.sweeps import find
from lm.runs import Run, RunStore
from lm.study.families import Factors, Family, Label, Study


def runs_of(family: Family, store: RunStore) -> list[tuple[Label, int, Run]]:
    """The runs of a family that are in the store, in any state, with label and seed."""
    rows = []
    for label, seed, config in family.runs:
        run = find(store, config, family.load(config.data).sha256)
        if run is not None:
            rows.append((label, seed, run))
    return rows


@dataclass(frozen=True, kw_only=True)
class Validated:
    """A run as choices see it, without its result on test."""

    run_id: str
    label: Label
    seed: int
    val_loss: float | None  # nats per token; None: it diverged


def validated(family: Family, store: RunStore) -> list[Validated]:
    """The runs of a family that have ended, without their results on test."""
    return [
        Validated(
            run_id=run.run_id,
            label=label,
            seed=seed,
            val_loss=run.status.valid.loss if run.status.valid else None,
        )
        for label, seed, run in runs_of(family, store)
        if run.state in ("complete", "failed")
    ]


def choose(rows: Iterable[Validated]) -> Label | None:
    """The label with the lowest mean validation loss; a label with a diverged run is left out."""
    losses: dict[Label, list[float | None]] = {}
    for row in rows:
        losses.setdefault(row.label, []).append(row.val_loss)
    means = {
        label: fmean(values)  # type: ignore[arg-type] - None is left out
        for label, values in losses.items()
        if None not in values
    }
    return min(means, key=lambda label: means[label]) if means else None


def choose_each(rows: Sequence[Validated]) -> list[Label]:
    """For each value, that of its labels with the lowest mean validation loss."""
    values = dict.fromkeys(row.label.value for row in rows)
    labels = [choose(row for row in rows if row.label.value == value) for value in values]
    return [label for label in labels if label is not None]


def tuned_factors(study: Study, store: RunStore) -> Factors:
    """The best factors of the search so far: (what was tuned, budget) -> factor on its rate."""
    factors: Factors = {}
    for family in study.searches():
        label = choose(validated(family, store))
        if label is not None:
            factors[family.name, label.value] = label.factor
    return factors


def best_checkpoints(families: Iterable[Family], store: RunStore) -> dict[tuple[str, str], str]:
    """(architecture, corpus) -> id of the run with the lowest validation loss.

    Only runs with the corpus's own tokenizer count: losses of other tokens do not compare.
    """
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for family in families:
        if family.section == "tokenizers" or "tokenizer" in family.base:
            continue
        for row in validated(family, store):
            key = (family.architecture, family.base["dataset"])
            if row.val_loss is not None:
                this = (row.val_loss, row.run_id)
                best[key] = min(best.get(key, this), this)
    return {key: run_id for key, (_, run_id) in best.items()}
