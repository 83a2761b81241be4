"""The study as data: its sections, and in each the families of runs that are compared.

A family is one architecture on one corpus with one thing varied. What it varies, at which
budgets and over how many seeds is written here and nowhere else; figures and tables follow.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from lm.architectures import ARCHITECTURES
from lm.datasets import DATASETS
from lm.jobs.sweeps import Loader, Point, Sweep, expand
from lm.runs.config import RunConfig

CHARACTERS, WORDS = "tiny_shakespeare", ("ptb", "wikitext-2")
CORPORA = (CHARACTERS, *WORDS)
RECIPE: Point = {"preset": "study"}  # which a change of the default recipe leaves alone

SECTIONS = {  # key -> title, in the order of the report
    "search": "The search for learning rates",
    "frontier": "What a FLOP buys, architecture by architecture",
    "knobs": "One hyperparameter at a time",
    "naive": "What the naive version lost",
    "tokenizers": "From characters to words",
    "words": "Words",
    "siblings": "Against the published versions of this coursework",
}


class Label(NamedTuple):
    """Which run of a family: the value of what it varies, and the factor on its learning rate."""

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


# --- scales -----------------------------------------------------------------------------------

NARROW = (0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of everything. Budgets are training FLOPs; factors multiply a recipe's rate."""

    name: str
    frontier: tuple[float, ...]
    frontier_seeds: tuple[int, ...] = (0, 1, 2)
    beyond: tuple[float, ...]  # of one seed each
    knob_budget: float
    knob_seeds: tuple[int, ...] = (0, 1, 2)
    large_knob_budget: float  # where the smaller one would show nothing
    most_values: int = 100  # of a knob
    wide: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, *NARROW, 4.0)  # at the knobs' budget
    narrow: tuple[float, ...] = NARROW  # at the frontier's others
    few: tuple[float, ...] = (1.0, 2.0)  # beyond
    tokenizer_budgets: tuple[float, ...]
    bpe_sizes: tuple[int, ...] = (512, 1024, 2048, 4096)
    word_budgets: tuple[float, ...]
    word_search_budget: float | None  # None: the recipes' rates
    classic_budget: float
    classic: dict[str, Point] = field(default_factory=dict)  # on top of the coursework's settings


_SCALES = (
    Scale(
        name="smoke",
        frontier=(1e8, 3e8),
        beyond=(1e9,),
        knob_budget=1e8,
        knob_seeds=(0,),
        large_knob_budget=1e8,
        most_values=2,
        wide=(0.25, 1.0),
        narrow=(1.0,),
        few=(1.0,),
        tokenizer_budgets=(1e9,),
        bpe_sizes=(512,),
        word_budgets=(1e9,),
        word_search_budget=None,
        classic_budget=3e8,
        classic={
            "linear": {"training.batch_size": 4, "model.d_embed": 8},
            "mlp": {"training.batch_size": 4, "model.d_embed": 8},
            "attention": {"training.batch_size": 1, "model.n_layers": 1, "model.d_model": 16},
            "transformer": {
                "training.batch_size": 1,
                "model.n_layers": 1,
                "model.d_model": 16,
                "model.d_ff": 32,
            },
        },
    ),
    Scale(
        name="default",
        frontier=(1e10, 3e10, 1e11, 3e11, 1e12),
        beyond=(3e12, 1e13),
        knob_budget=1e11,
        large_knob_budget=3e11,
        tokenizer_budgets=(1e11, 1e12),
        word_budgets=(3e11, 1e12, 3e12, 1e13, 3e13),
        word_search_budget=3e12,
        classic_budget=1e12,
    ),
    Scale(
        name="full",
        frontier=(1e10, 3e10, 1e11, 3e11, 1e12, 3e12, 1e13),
        frontier_seeds=(0, 1, 2, 3, 4),
        beyond=(3e13, 1e14),
        few=(0.5, 1.0, 2.0),
        knob_budget=1e12,
        knob_seeds=(0, 1, 2, 3, 4),
        large_knob_budget=3e12,
        tokenizer_budgets=(1e11, 1e12, 1e13),
        bpe_sizes=(512, 1024, 2048, 4096, 8192),
        word_budgets=(3e11, 1e12, 3e12, 1e13, 3e13, 1e14),
        word_search_budget=1e13,
        classic_budget=1e13,
    ),
)
SCALES = {scale.name: scale for scale in _SCALES}

# --- knobs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Knob:
    """A hyperparameter, its values by architecture, and how it is drawn."""

    name: str
    figure: str
    title: str
    values: dict[str, tuple[Any, ...]]
    settings: Callable[[Any, RunConfig], Point]  # of a value, given the base's config
    factors: tuple[float, ...] = (1.0,)  # on the learning rate, the best on validation drawn
    large: bool = False
    log: bool = True

    @property
    def family(self) -> str:
        """The name of its families of runs."""
        return f"{self.figure}/{self.name}"


def _model(name: str) -> Callable[[Any, RunConfig], Point]:
    return lambda value, base: {f"model.{name}": value}


def _training(name: str) -> Callable[[Any, RunConfig], Point]:
    return lambda value, base: {f"training.{name}": value}


def _context(value: int, base: RunConfig) -> Point:
    """Self-attention keeps its tokens per step; windows have rows of their own length."""
    point: Point = {"model.context_length": value}
    if base.model.architecture in ("attention", "transformer"):
        tokens = base.training.batch_size * base.sequence_length
        point["training.batch_size"] = max(1, tokens // value)
    return point


def _width(value: int, base: RunConfig) -> Point:
    heads = max(h for h in range(1, 5) if value % (16 * h) == 0 or h == 1)
    return {"model.d_model": value, "model.n_heads": heads, "model.d_ff": 4 * value}


_OPTIMIZERS: dict[str, Point] = {  # with the rates that factors multiply
    "adamw": {"training.learning_rate": 0.02},
    "sgd": {"training.learning_rate": 0.2},
    "muon": {"training.learning_rate": 0.02, "training.adamw_learning_rate": 0.01},
}


def _optimizer(value: str, base: RunConfig) -> Point:
    return {"training.optimizer": value, **_OPTIMIZERS[value]}


KNOBS = (
    Knob(
        name="context",
        figure="context-length",
        title="Context length (tokens)",
        values={
            "linear": (8, 32, 64, 128, 256),
            "mlp": (4, 8, 16, 32, 64),
            "attention": (8, 16, 32, 64, 128),
            "transformer": (8, 16, 32, 64, 128),
        },
        settings=_context,
    ),
    Knob(
        name="width",
        figure="mlp-shape",
        title="Width of hidden layers",
        values={"mlp": (32, 64, 128, 256, 512)},
        settings=_model("d_hidden"),
    ),
    Knob(
        name="depth",
        figure="mlp-shape",
        title="Hidden layers",
        values={"mlp": (1, 2, 4, 8)},
        settings=_model("n_layers"),
    ),
    Knob(
        name="heads",
        figure="attention-heads",
        title="Heads",
        values={"attention": (1, 2, 4, 8)},
        settings=_model("n_heads"),
    ),
    Knob(
        name="head-dimension",
        figure="attention-heads",
        title="Head dimension",
        values={"attention": (8, 16, 32, 64)},
        settings=_model("d_head"),
    ),
    Knob(
        name="heads",
        figure="transformer-shape",
        title="Heads",
        values={"transformer": (1, 2, 4, 8)},
        settings=_model("n_heads"),
    ),
    Knob(
        name="layers",
        figure="transformer-shape",
        title="Layers",
        values={"transformer": (1, 2, 3, 4, 6)},
        settings=_model("n_layers"),
    ),
    Knob(
        name="d_model",
        figure="transformer-shape",
        title="d_model (heads and d_ff follow)",
        values={"transformer": (16, 32, 48, 64, 96, 128)},
        settings=_width,
    ),
    Knob(
        name="d_ff",
        figure="transformer-shape",
        title="d_ff",
        values={"transformer": (32, 64, 128, 256, 512)},
        settings=_model("d_ff"),
    ),
    Knob(
        name="schedule",
        figure="training",
        title="Learning-rate schedule",
        values={"transformer": ("constant", "cosine", "linear", "wsd")},
        settings=_training("schedule"),
        factors=NARROW,
    ),
    Knob(
        name="optimizer",
        figure="training",
        title="Optimizer",
        values={"transformer": ("adamw", "sgd", "muon")},
        settings=_optimizer,
        factors=(*NARROW, 4.0),
        large=True,
    ),
    Knob(
        name="batch",
        figure="training",
        title="Batch size (rows)",
        values={"transformer": (2, 4, 8, 16, 32)},
        settings=_training("batch_size"),
        factors=(0.5, 1.0, 2.0),
    ),
    Knob(
        name="dropout",
        figure="training",
        title="Dropout",
        values={"mlp": (0.0, 0.1, 0.2, 0.3), "transformer": (0.0, 0.1, 0.2, 0.3)},
        settings=_model("dropout"),
        large=True,
        log=False,
    ),
    Knob(
        name="positions",
        figure="transformer-options",
        title="Positional encoding",
        values={"transformer": ("none", "learned", "sinusoidal", "rotary")},
        settings=_model("positional_encoding"),
    ),
    Knob(
        name="tying",
        figure="transformer-options",
        title="Input and output embedding",
        values={"transformer": ("separate", "tied")},
        settings=lambda value, base: {"model.tie_embeddings": value == "tied"},
        factors=(0.25, 0.5, 1.0),
    ),
)

ALL_POSITIONS, LAST_POSITION = "all positions", "last position only"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A result of another version of this coursework (docs/report.md names the source)."""

    name: str
    dataset: str
    architecture: str
    flops: float  # true ones, replayed with PyTorch's counter
    test_loss: float


PUBLISHED = (
    Published(
        name="Linear",
        dataset=CHARACTERS,
        architecture="linear",
        flops=9.6e11,
        test_loss=3.0549,
    ),
    Published(
        name="MLP",
        dataset=CHARACTERS,
        architecture="mlp",
        flops=3.9e12,
        test_loss=2.3222,
    ),
    Published(
        name="Self-attention",
        dataset=CHARACTERS,
        architecture="attention",
        flops=3.5e13,
        test_loss=2.1335,
    ),
    Published(
        name="Transformer",
        dataset=CHARACTERS,
        architecture="transformer",
        flops=7.6e13,
        test_loss=2.0058,
    ),
    Published(
        name="Transformer, PTB",
        dataset="ptb",
        architecture="transformer",
        flops=1.1e14,
        test_loss=6.1896,
    ),
    Published(
        name="Transformer, WikiText-2",
        dataset="wikitext-2",
        architecture="transformer",
        flops=1.3e14,
        test_loss=6.8875,
    ),
)
PUBLISHED_RATES = {1e-2: 2.099, 1e-3: 2.510, 5e-4: 2.616, 1e-4: 3.200}  # validation, 500 steps

# --- the families -----------------------------------------------------------------------------

Factors = dict[tuple[str, float], float]  # (what was tuned, budget) -> factor on its recipe's rate


@dataclass(frozen=True)
class Study:
    """What is to be trained: first the search, then, with what it chose, everything else."""

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
        for dataset in self._words() if budget else ():
            base = {"architecture": "transformer", "dataset": dataset}
            families.append(self._search(dataset, base, budget, scale.narrow))
        return families

    def comparisons(self, chosen: Factors) -> list[Family]:
        """Everything else, at the learning rates that were chosen."""
        characters = CHARACTERS in self.corpora
        frontier = list(self._frontier(chosen)) if characters else []
        families = [*frontier]
        if characters:
            families += [*self._knobs(chosen), *self._naive(chosen), *self._tokenizers(chosen)]
        words = list(self._word_families(chosen))
        return [*families, *words, *self._siblings([*frontier, *words])]

    # one method per section

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

    def _frontier(self, chosen: Factors) -> Iterator[Family]:
        scale = self.scale
        for architecture in ARCHITECTURES:
            base = {"architecture": architecture, "dataset": CHARACTERS}
            for budgets, seeds in (
                (scale.frontier, scale.frontier_seeds),
                (scale.beyond, scale.frontier_seeds[:1]),
            ):
                yield Family(
                    section="frontier",
                    name=architecture,
                    architecture=architecture,
                    base=base,
                    points={
                        Label(budget): self._tuned({**base, "budget": budget}, architecture, chosen)
                        for budget in budgets
                    },
                    seeds=seeds,
                    load=self.load,
                )

    def _knobs(self, chosen: Factors) -> Iterator[Family]:
        scale = self.scale
        for knob in KNOBS:
            budget = scale.large_knob_budget if knob.large else scale.knob_budget
            factors = knob.factors if len(scale.narrow) > 1 else (1.0,)
            for architecture, values in knob.values.items():
                base = {"architecture": architecture, "dataset": CHARACTERS, "budget": budget}
                tuned = {**base, **self._tuned(base, architecture, chosen)}
                config = self._config(tuned)
                points = {}
                for value in values[: scale.most_values]:
                    point = knob.settings(value, config)
                    for factor in factors:
                        rates = self._scaled({**tuned, **point}, factor)
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

    def _naive(self, chosen: Factors) -> Iterator[Family]:
        scale = self.scale
        for architecture in ARCHITECTURES:
            base = {
                "architecture": architecture,
                "dataset": CHARACTERS,
                "budget": scale.knob_budget,
            }
            tuned = {**base, **self._tuned(base, architecture, chosen)}
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
                    Label(value, factor): {**point, **self._scaled({**tuned, **point}, factor)}
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

    def _tokenizers(self, chosen: Factors) -> Iterator[Family]:
        for key, base in self.tokenizations().items():
            yield Family(
                section="tokenizers",
                name=key,
                architecture="transformer",
                base=base,
                points={
                    Label(budget): self._tuned({**base, "budget": budget}, key, chosen)
                    for budget in self.scale.tokenizer_budgets
                },
                seeds=self.scale.knob_seeds,
                load=self.load,
            )

    def _words(self) -> list[str]:
        return [name for name in WORDS if name in self.corpora]

    def _word_families(self, chosen: Factors) -> Iterator[Family]:
        for dataset in self._words():
            base = {"architecture": "transformer", "dataset": dataset}
            yield Family(
                section="words",
                name=dataset,
                architecture="transformer",
                base=base,
                points={
                    Label(budget): self._tuned({**base, "budget": budget}, dataset, chosen)
                    for budget in self.scale.word_budgets
                },
                seeds=(0,),
                load=self.load,
            )

    @staticmethod
    def _siblings(families: Iterable[Family]) -> Iterator[Family]:
        """Runs that are here anyway, of no more FLOPs than each published result took."""
        for published, family in itertools.product(PUBLISHED, families):
            kind = (family.architecture, family.base["dataset"])
            points = {
                label: point
                for label, point in family.points.items()
                if label.value <= published.flops
            }
            if points and kind == (published.architecture, published.dataset):
                yield replace(family, section="siblings", name=published.name, points=points)

    # learning rates

    def _tuned(self, base: Point, key: str, chosen: Factors) -> Point:
        """`budget` and the rates of the search nearest below it (of the nearest, if none is)."""
        budget = base["budget"]
        tuned = sorted(at for name, at in chosen if name == key)
        below = [at for at in tuned if at <= budget]
        nearest = below[-1] if below else tuned[0] if tuned else None
        factor = 1.0 if nearest is None else chosen[key, nearest]
        return {"budget": budget, **self._rates(base, factor)}

    def _rates(self, base: Point, factor: float) -> Point:
        """The rates of a recipe times `factor`."""
        return _times(self._config(base), factor)

    def _scaled(self, point: Point, factor: float) -> Point:
        """The rates that `point` comes to, times `factor`."""
        return _times(self._config(point), factor)

    def _config(self, point: Point) -> RunConfig:
        return _resolved(self.load, tuple(point.items()))


@functools.cache
def _resolved(load: Loader, settings: tuple[tuple[str, Any], ...]) -> RunConfig:
    (config,) = expand(Sweep(name="study", base={**RECIPE, **dict(settings)}), load)
    return config


def _times(config: RunConfig, factor: float) -> Point:
    training = config.training
    rates = {"training.learning_rate": training.learning_rate}
    if training.optimizer == "muon":
        rates["training.adamw_learning_rate"] = training.adamw_learning_rate
    return {name: float(f"{rate * factor:.3g}") for name, rate in rates.items()}


def corpora_here(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """The corpora of the study that are on this machine, of `names` if given."""
    return tuple(
        name for name in CORPORA if name in (names or CORPORA) and DATASETS[name].available
    )
