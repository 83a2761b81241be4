"""The runs of the study: in each section, the families of runs that are compared.

A family is one architecture on one corpus with one thing varied. Its values, budgets and seeds
follow from a `StudySize` and from `KNOBS`.
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
from lm.study.scales import StudySize
from lm.study.sections import (
    ALL_POSITIONS,
    ARCHITECTURES,
    CHARACTERS,
    CORPORA,
    LAST_POSITION,
    RECIPE,
    WORDS,
)

Factors = dict[tuple[str, float], float]  # (what was tuned, budget) -> factor on its recipe's rate


class Label(NamedTuple):
    """A point of a family: the value of what is varied, and the factor on the learning rate."""

    value: Any = None
    factor: float = 1.0


@dataclass(frozen=True)
class Family:
    """Runs that differ in one thing, each with every seed."""

    section: str
    name: str
    base: Point
    points: dict[Label, Point]
    seeds: Sequence[int]
    load: Loader

    @property
    def architecture(self) -> str:
        return self.base["architecture"]

    @functools.cached_property
    def runs(self) -> list[tuple[Label, int, RunConfig]]:
        """Every run with its label and seed. Raises `ConfigError`."""
        runs: list[tuple[Label, int, RunConfig]] = []
        axes = {"seed": [{"seed": seed} for seed in self.seeds]}
        for label, point in self.points.items():
            base = {**RECIPE, **self.base, **point}
            configs = expand(Sweep(name=self.name, base=base, axes=axes), self.load)
            runs += zip(itertools.repeat(label), self.seeds, configs, strict=False)
        return runs


@dataclass(frozen=True)
class Study:
    """All that is trained: first the search, then everything else, at the rates that it chose."""

    scale: StudySize
    corpora: tuple[str, ...]
    load: Loader

    @property
    def absent(self) -> list[str]:
        """Corpora of the study that are left out."""
        return [name for name in CORPORA if name not in self.corpora]

    def searches(self) -> list[Family]:
        """The runs from which learning rates are chosen, on validation."""
        scale = self.scale
        wanted: list[tuple[str, Point, float, Sequence[float], Sequence[int]]] = []
        if CHARACTERS in self.corpora:
            for architecture in ARCHITECTURES:
                base = _recipe(architecture)
                budgets = {*scale.frontier, scale.knob_budget, scale.large_knob_budget}
                for budget in sorted({*budgets, *scale.beyond}):
                    factors = scale.narrow if budget in budgets else scale.few
                    seeds = scale.frontier_seeds[:1]
                    if budget == scale.knob_budget:
                        factors, seeds = scale.wide, scale.knob_seeds
                    wanted.append((architecture, base, budget, factors, seeds))
            near = [factor for factor in scale.narrow if 0.5 <= factor <= 2]
            for key, base in self.tokenizations().items():
                wanted += [(key, base, budget, near, (0,)) for budget in scale.tokenizer_budgets]
        if budget := scale.word_search_budget:
            for dataset, base in self._word_corpora().items():
                wanted.append((dataset, base, budget, scale.narrow, (0,)))
        families = []
        for key, base, budget, factors, seeds in wanted:
            base = {**base, "budget": budget}
            points = {Label(budget, factor): self._rates(base, factor) for factor in factors}
            families.append(Family("search", key, base, points, seeds, self.load))
        return families

    def comparisons(self, tuned_factors: Factors) -> list[Family]:
        """All other runs, at the learning rates that the search chose."""
        scale, frontier, single = self.scale, [], []

        def along(
            section: str, key: str, base: Point, budgets: Sequence[float], seeds: Sequence[int]
        ) -> Family:
            points = {Label(b): self._tuned(tuned_factors, key, base, b) for b in budgets}
            return Family(section, key, base, points, seeds, self.load)

        if CHARACTERS in self.corpora:
            for architecture in ARCHITECTURES:
                base, seeds = _recipe(architecture), scale.frontier_seeds
                frontier += [
                    along("frontier", architecture, base, scale.frontier, seeds),
                    along("frontier", architecture, base, scale.beyond, seeds[:1]),
                ]
            single = [*self._knobs(tuned_factors), *self._naive(tuned_factors)]
            single += [
                along("tokenizers", key, base, scale.tokenizer_budgets, scale.knob_seeds)
                for key, base in self.tokenizations().items()
            ]
        words = [
            along("words", dataset, base, scale.word_budgets, (0,))
            for dataset, base in self._word_corpora().items()
        ]
        return [*frontier, *single, *words, *_siblings([*frontier, *words])]

    def tokenizations(self) -> dict[str, Point]:
        """The ways of cutting one text into tokens: name -> settings."""
        kinds: dict[str, Point] = {"char": {"tokenizer": "char"}}
        for size in self.scale.bpe_sizes:
            kinds[f"bpe {size}"] = {"tokenizer": "bpe", "data.bpe_vocab_size": size}
        kinds["word"] = {"tokenizer": "word"}
        return {name: {**_recipe("transformer"), **kind} for name, kind in kinds.items()}

    def _word_corpora(self) -> dict[str, Point]:
        return {name: _recipe("transformer", name) for name in WORDS if name in self.corpora}

    def _knobs(self, tuned_factors: Factors) -> Iterator[Family]:
        """One hyperparameter at a time."""
        scale = self.scale
        for knob in KNOBS:
            budget = scale.large_knob_budget if knob.large else scale.knob_budget
            factors = knob.factors if len(scale.narrow) > 1 else (1.0,)
            for architecture, values in knob.values.items():
                base = self._tuned(tuned_factors, architecture, _recipe(architecture), budget)
                usual = self._config(base)
                points = {}
                for value in values[: scale.most_values]:
                    point = knob.settings(value, usual)
                    for factor in factors:
                        rates = self._rates({**base, **point}, factor)
                        points[Label(value, factor)] = {**point, **rates}
                yield Family("knobs", knob.family, base, points, scale.knob_seeds, self.load)

    def _naive(self, tuned_factors: Factors) -> Iterator[Family]:
        """The last position only, and the coursework's own setup."""
        scale = self.scale
        objective: Point = {"training.objective": "last_position"}
        for architecture in ARCHITECTURES:
            recipe, seeds = _recipe(architecture), scale.knob_seeds
            base = self._tuned(tuned_factors, architecture, recipe, scale.knob_budget)
            usual, last = self._config(base), dict(objective)
            if architecture in ("linear", "mlp"):  # as many predictions per step as before
                rows = usual.training.batch_size * usual.sequence_length
                last["training.batch_size"] = rows
            points = {
                Label(value, factor): {**point, **self._rates({**base, **point}, factor)}
                for value, point in ((ALL_POSITIONS, {}), (LAST_POSITION, last))
                for factor in (scale.narrow[:3] if point else (1.0,))
            }
            yield Family("naive", "objective", base, points, seeds, self.load)
            base = {**recipe, "preset": "classic", "budget": scale.classic_budget}
            points = {Label(LAST_POSITION): {**objective, **scale.classic.get(architecture, {})}}
            yield Family("naive", "classic", base, points, seeds, self.load)

    # --- learning rates ---

    def _tuned(self, tuned_factors: Factors, key: str, base: Point, budget: float) -> Point:
        """`base` with a budget, and with the rates that the search chose for `key`.

        The search at the largest budget that is not above this one counts; if all are, that at the
        smallest.
        """
        base = {**base, "budget": budget}
        tuned = sorted(at for name, at in tuned_factors if name == key)
        below = [at for at in tuned if at <= budget]
        nearest = below[-1] if below else tuned[0] if tuned else None
        factor = 1.0 if nearest is None else tuned_factors[key, nearest]
        return {**base, **self._rates(base, factor)}

    def _rates(self, point: Point, factor: float) -> Point:
        """The learning rates that a run of these settings has, times `factor`, to three digits."""
        training = self._config(point).training
        rates = {"training.learning_rate": training.learning_rate}
        if training.optimizer == "muon":
            rates["training.adamw_learning_rate"] = training.adamw_learning_rate
        return {name: float(f"{rate * factor:.3g}") for name, rate in rates.items()}

    def _config(self, point: Point) -> RunConfig:
        return _resolved(self.load, tuple(point.items()))


@functools.cache
def _resolved(load: Loader, settings: tuple[tuple[str, Any], ...]) -> RunConfig:
    (config,) = expand(Sweep(name="study", base={**RECIPE, **dict(settings)}), load)
    return config


def _recipe(architecture: str, dataset: str = CHARACTERS) -> Point:
    return {"architecture": architecture, "dataset": dataset}


def _siblings(families: Iterable[Family]) -> Iterator[Family]:
    """For each published result, the runs of this study that took no more FLOPs than it."""
    for published, family in itertools.product(PUBLISHED, families):
        points = {
            label: point for label, point in family.points.items() if label.value <= published.flops
        }
        kind = (family.architecture, family.base["dataset"])
        if points and kind == (published.architecture, published.dataset):
            yield replace(family, section="siblings", name=published.name, points=points)
