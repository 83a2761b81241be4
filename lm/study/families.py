"""The runs of the study: in each section, the families of runs that are compared.

A family is one architecture on one corpus with one thing varied. What it varies, at which
budgets and over how many seeds follows from a `Scale` and from `KNOBS`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lm.jobs.sweeps import Loader, Point, Sweep, expand
from lm.runs.config import RunConfig
from lm.study.knobs import KNOBS
from lm.study.published import PUBLISHED
from lm.study.scales import Scale
from lm.study.sections import (
    ALL_POSITIONS,
    ARCHITECTURES,
    CHARACTERS,
    CORPORA,
    LAST_POSITION,
    RECIPE,
    WORDS,
)


class Label(NamedTuple):
    """Which point of a family: the value of what is varied, and the factor on the learning rate."""

    value: Any = None
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Family:
    """Runs that differ in one thing, each with every seed."""

    section: str
    name: str
    architecture: str
    base: Point
    points: dict[Label, Point]
    seeds: Sequence[int]
    load: Loader

    @functools.cached_property
    def runs(self) -> list[tuple[Label, int, RunConfig]]:
        """Every run with its label and seed. Raises `ConfigError`."""
        runs = []
        for label, point in self.points.items():
            sweep = Sweep(
                name=self.name,
                base={**RECIPE, **self.base, **point},
                axes={"seed": _seeds(self.seeds)},
            )
            configs = expand(sweep, self.load)
            runs += zip(itertools.repeat(label), self.seeds, configs, strict=False)
        return runs


def _seeds(seeds: Sequence[int]) -> list[Point]:
    return [{"seed": seed} for seed in seeds]


Factors = dict[tuple[str, float], float]  # (what was tuned, budget) -> factor on its recipe's rate


@dataclass(frozen=True)
class Study:
    """All that is trained: first the search, then everything else, at the rates that it chose."""

    scale: Scale
    corpora: tuple[str, ...]
    load: Loader

    @property
    def absent(self) -> list[str]:
        """Corpora of the study that are left out."""
        return [name for name in CORPORA if name not in self.corpora]

    def searches(self) -> list[Family]:
        """The runs from which learning rates are chosen, on validation."""
        scale, families = self.scale, []
        if CHARACTERS in self.corpora:
            for architecture in ARCHITECTURES:
                base = {"architecture": architecture, "dataset": CHARACTERS}
                budgets = {*scale.frontier, scale.knob_budget, scale.large_knob_budget}
                for budget in sorted({*budgets, *scale.beyond}):
                    at_knobs = budget == scale.knob_budget
                    seeds = scale.knob_seeds if at_knobs else scale.frontier_seeds[:1]
                    factors = scale.narrow if budget in budgets else scale.few
                    factors = scale.wide if at_knobs else factors
                    families.append(self._search(architecture, base, budget, factors, seeds))
            for key, data in self.tokenizations().items():
                for budget in scale.tokenizer_budgets:
                    factors = [factor for factor in scale.narrow if 0.5 <= factor <= 2]
                    families.append(self._search(key, data, budget, factors))
        budget = scale.word_search_budget
        if budget:
            for dataset in self._word_corpora():
                base = {"architecture": "transformer", "dataset": dataset}
                families.append(self._search(dataset, base, budget, scale.narrow))
        return families

    def comparisons(self, tuned_factors: Factors) -> list[Family]:
        """All other runs, at the learning rates that the search chose."""
        characters = CHARACTERS in self.corpora
        frontier = list(self._frontier(tuned_factors)) if characters else []
        families = [*frontier]
        if characters:
            families += self._knobs(tuned_factors)
            families += self._naive(tuned_factors)
            families += self._tokenizers(tuned_factors)
        of_words = list(self._word_families(tuned_factors))
        return [*families, *of_words, *self._siblings([*frontier, *of_words])]

    # --- a method for each section ---

    def _search(
        self,
        key: str,
        base: Point,
        budget: float,
        factors: Sequence[float],
        seeds: Sequence[int] = (0,),
    ) -> Family:
        base = {**base, "budget": budget}
        return Family(
            section="search",
            name=key,
            architecture=base.get("architecture", "transformer"),
            base=base,
            points={Label(budget, factor): self._rates(base, factor) for factor in factors},
            seeds=seeds,
            load=self.load,
        )

    def _frontier(self, tuned_factors: Factors) -> Iterator[Family]:
        scale = self.scale
        for architecture in ARCHITECTURES:
            base = {"architecture": architecture, "dataset": CHARACTERS}
            for budgets, seeds in (
                (scale.frontier, scale.frontier_seeds),
                (scale.beyond, scale.frontier_seeds[:1]),
            ):
                yield self._along(budgets, "frontier", architecture, base, seeds, tuned_factors)

    def _knobs(self, tuned_factors: Factors) -> Iterator[Family]:
        scale = self.scale
        for knob in KNOBS:
            budget = scale.large_knob_budget if knob.large else scale.knob_budget
            factors = knob.factors if len(scale.narrow) > 1 else (1.0,)
            for architecture, values in knob.values.items():
                base = {"architecture": architecture, "dataset": CHARACTERS, "budget": budget}
                tuned = {**base, **self._tuned(base, architecture, tuned_factors)}
                config = self._config(tuned)
                points = {}
                for value in values[: scale.most_values]:
                    point = knob.settings(value, config)
                    for factor in factors:
                        rates = self._rates({**tuned, **point}, factor)
                        points[Label(value, factor)] = {**point, **rates}
                yield Family(
                    section="knobs",
                    name=knob.family,
                    architecture=architecture,
                    base=tuned,
                    points=points,
                    seeds=scale.knob_seeds,
                    load=self.load,
                )

    def _naive(self, tuned_factors: Factors) -> Iterator[Family]:
        scale = self.scale
        for architecture in ARCHITECTURES:
            base = {
                "architecture": architecture,
                "dataset": CHARACTERS,
                "budget": scale.knob_budget,
            }
            tuned = {**base, **self._tuned(base, architecture, tuned_factors)}
            config = self._config(tuned)
            last: Point = {"training.objective": "last_position"}
            if architecture in ("linear", "mlp"):  # as many predictions per step as before
                rows = config.training.batch_size * config.sequence_length
                last["training.batch_size"] = rows
            yield Family(
                section="naive",
                name="objective",
                architecture=architecture,
                base=tuned,
                points={
                    Label(value, factor): {**point, **self._rates({**tuned, **point}, factor)}
                    for value, point in ((ALL_POSITIONS, {}), (LAST_POSITION, last))
                    for factor in (scale.narrow[:3] if point else (1.0,))
                },
                seeds=scale.knob_seeds,
                load=self.load,
            )
            yield Family(
                section="naive",
                name="classic",
                architecture=architecture,
                base={**base, "preset": "classic", "budget": scale.classic_budget},
                points={
                    Label(LAST_POSITION): {
                        "training.objective": "last_position",
                        **scale.classic.get(architecture, {}),
                    }
                },
                seeds=scale.knob_seeds,
                load=self.load,
            )

    def tokenizations(self) -> dict[str, Point]:
        """The ways of cutting one text into tokens: name -> settings."""
        kinds: dict[str, Point] = {"char": {"tokenizer": "char"}}
        for size in self.scale.bpe_sizes:
            kinds[f"bpe {size}"] = {"tokenizer": "bpe", "data.bpe_vocab_size": size}
        kinds["word"] = {"tokenizer": "word"}
        base = {"architecture": "transformer", "dataset": CHARACTERS}
        return {name: {**base, **kind} for name, kind in kinds.items()}

    def _tokenizers(self, tuned_factors: Factors) -> Iterator[Family]:
        for key, base in self.tokenizations().items():
            budgets = self.scale.tokenizer_budgets
            seeds = self.scale.knob_seeds
            yield self._along(budgets, "tokenizers", key, base, seeds, tuned_factors)

    def _word_corpora(self) -> list[str]:
        return [name for name in WORDS if name in self.corpora]

    def _word_families(self, tuned_factors: Factors) -> Iterator[Family]:
        for dataset in self._word_corpora():
            base = {"architecture": "transformer", "dataset": dataset}
            budgets = self.scale.word_budgets
            yield self._along(budgets, "words", dataset, base, (0,), tuned_factors)

    def _along(
        self,
        budgets: Sequence[float],
        section: str,
        name: str,
        base: Point,
        seeds: Sequence[int],
        tuned_factors: Factors,
    ) -> Family:
        """The recipe of `base` at several budgets, at the learning rates tuned for `name`."""
        return Family(
            section=section,
            name=name,
            architecture=base["architecture"],
            base=base,
            points={
                Label(budget): self._tuned({**base, "budget": budget}, name, tuned_factors)
                for budget in budgets
            },
            seeds=seeds,
            load=self.load,
        )

    @staticmethod
    def _siblings(families: Iterable[Family]) -> Iterator[Family]:
        """For each published result, the runs of this study that took no more FLOPs than it."""
        for published, family in itertools.product(PUBLISHED, families):
            kind = (family.architecture, family.base["dataset"])
            points = {
                label: point
                for label, point in family.points.items()
                if label.value <= published.flops
            }
            if points and kind == (published.architecture, published.dataset):
                yield replace(family, section="siblings", name=published.name, points=points)

    # --- learning rates ---

    def _tuned(self, base: Point, key: str, tuned_factors: Factors) -> Point:
        """The budget of `base`, and the rates that the search chose for `key`.

        Those of the largest budget searched that is not above it or, if all are, of the smallest.
        """
        budget = base["budget"]
        tuned = sorted(at for name, at in tuned_factors if name == key)
        below = [at for at in tuned if at <= budget]
        nearest = below[-1] if below else tuned[0] if tuned else None
        factor = 1.0 if nearest is None else tuned_factors[key, nearest]
        return {"budget": budget, **self._rates(base, factor)}

    def _rates(self, base: Point, factor: float) -> Point:
        """The rates that a run of these settings has, times `factor`."""
        return _times(self._config(base), factor)

    def _config(self, point: Point) -> RunConfig:
        return _resolved(self.load, tuple(point.items()))


@functools.cache
def _resolved(load: Loader, settings: tuple[tuple[str, Any], ...]) -> RunConfig:
    (config,) = expand(Sweep(name="study", base={**RECIPE, **dict(settings)}), load)
    return config


def _times(config: RunConfig, factor: float) -> Point:
    """The learning rates of a run times `factor`, to three digits."""
    training = config.training
    rates = {"training.learning_rate": training.learning_rate}
    if training.optimizer == "muon":
        rates["training.adamw_learning_rate"] = training.adamw_learning_rate
    return {name: float(f"{rate * factor:.3g}") for name, rate in rates.items()}
