"""What the runs of a study came to, what is chosen from it, and what may be claimed.

Choices see `Validated` rows alone, which hold no result on test. Claims are made where intervals
of several seeds separate, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import pandas as pd

from lm.architectures import modules
from lm.charts import LEAST_SEEDS
from lm.jobs.sweeps import find
from lm.runs import Run, RunStore
from lm.runs.flops import step_flops_by_module
from lm.study.sections import Factors, Family, Label, Study

# Two-sided 95 % of Student's t, by the number of seeds
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def found(family: Family, store: RunStore) -> list[tuple[Label, int, Run]]:
    """The runs of a family that are in the store, whatever became of them."""
    rows = []
    for label, seed, config in family.runs:
        run = find(store, config, family.load(config.data).sha256)
        if run is not None:
            rows.append((label, seed, run))
    return rows


# --- choosing, without test -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Validated:
    """A run as choices see it: there is no result on test here to look at."""

    run_id: str
    label: Label
    seed: int
    val_loss: float | None  # None: it diverged


def validated(family: Family, store: RunStore) -> list[Validated]:
    """The runs of a family that have ended, without their results on test."""
    return [
        Validated(
            run_id=run.run_id,
            label=label,
            seed=seed,
            val_loss=run.status.valid.loss if run.status.valid else None,
        )
        for label, seed, run in found(family, store)
        if run.state in ("complete", "failed")
    ]


def choose(rows: Iterable[Validated]) -> Label | None:
    """The label of the lowest mean validation loss; one of which a run diverged is out."""
    losses: dict[Label, list[float | None]] = {}
    for row in rows:
        losses.setdefault(row.label, []).append(row.val_loss)
    means = {
        label: fmean(values)  # type: ignore[arg-type]
        for label, values in losses.items()
        if None not in values
    }
    return min(means, key=lambda label: means[label]) if means else None


def choose_each(rows: Sequence[Validated]) -> list[Label]:
    """For each value, its label of the lowest mean validation loss."""
    values = dict.fromkeys(row.label.value for row in rows)
    chosen = [choose(row for row in rows if row.label.value == value) for value in values]
    return [label for label in chosen if label is not None]


def chosen_factors(study: Study, store: RunStore) -> Factors:
    """What the search has come to so far: (what was tuned, budget) -> factor on its rate."""
    chosen: Factors = {}
    for family in study.searches():
        label = choose(validated(family, store))
        if label is not None:
            chosen[family.name, label.value] = label.factor
    return chosen


# --- results ------------------------------------------------------------------------------------


def results(families: Iterable[Family], store: RunStore) -> pd.DataFrame:
    """A row per run of the families: labels, settings, and results on whole splits.

    Of a value that was tried at several learning rates, the one that is best on validation
    counts ("counts"); the others are there to be shown as what the choice cost.
    """
    rows = []
    for family in families:
        chosen = set(choose_each(validated(family, store)))
        for label, seed, run in found(family, store):
            rows.append(
                {
                    "section": family.section,
                    "name": family.name,
                    "value": label.value,
                    "factor": label.factor,
                    "counts": label in chosen,
                    **_row(run),
                    "seed": seed,
                }
            )
    columns = ["section", "name", "value", "factor", "counts", *_COLUMNS, "seed"]
    return pd.DataFrame(rows, columns=columns)


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
)


def _row(run: Run) -> dict[str, object]:
    model, training, status = run.config.model, run.config.training, run.status
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
    test = status.test
    values = (
        run.run_id,
        run.path,
        run.state,
        model.architecture,
        run.config.preset,
        run.config.data.dataset,
        run.config.data.tokenizer,
        training.objective,
        training.optimizer,
        training.learning_rate,
        model.context_length,
        run.config.sequence_length,
        run.vocab_size,
        run.n_params,
        in_vocabulary / run.n_params,
        in_head / sum(part.total for part in parts.values()),
        status.tokens,
        float(status.flops.total),
        status.seconds,
        status.valid.loss if status.valid else math.nan,
        test.loss if test else math.nan,
        test.log_likelihood if test else math.nan,
        test.perplexity if test else math.nan,
        test.bits_per_char if test else math.nan,
    )
    return dict(zip(_COLUMNS, values, strict=True))


# --- claims -------------------------------------------------------------------------------------


def signed(value: float) -> str:
    """Three decimals and a minus that is as wide as a plus."""
    return f"{value:.3f}".replace("-", "−")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The mean over seeds, with 95 % confidence where there are two or more."""

    mean: float
    half_width: float  # infinite for one seed
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Student's interval of some seeds."""
        n = len(values)
        half = T_95[min(n, 10)] * stdev(values) / math.sqrt(n) if n > 1 else math.inf
        return cls(mean=fmean(values), half_width=half, n=n)

    def __str__(self) -> str:
        spread = f" ± {self.half_width:.3f}" if self.n > 1 else " (1 seed)"
        return f"{signed(self.mean)}{spread}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far apart two means are, and whether their intervals leave room for doubt."""

    mean: float  # the second less the first
    half_width: float
    shown: bool  # each of three seeds or more, and the intervals do not touch

    def __str__(self) -> str:
        return f"{abs(self.mean):.3f} ± {self.half_width:.3f}"


def difference(first: Interval, second: Interval) -> Difference:
    """From `first` to `second`; it is shown where the two 95 % intervals are apart."""
    gap = second.mean - first.mean
    enough = min(first.n, second.n) >= LEAST_SEEDS
    return Difference(
        mean=gap,
        half_width=math.hypot(first.half_width, second.half_width),
        shown=enough and abs(gap) > first.half_width + second.half_width,
    )
