"""How much the study trains: three scales, as data, in `SCALES`."""

from __future__ import annotations

from dataclasses import dataclass, field

from lm.jobs.sweeps import Point

NARROW = (0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class StudySize:
    """How much a study trains. Budgets are training FLOPs; factors multiply a recipe's rate."""

    name: str
    frontier: tuple[float, ...]  # budgets at which all architectures are compared
    frontier_seeds: tuple[int, ...] = (0, 1, 2)
    beyond: tuple[float, ...]  # further budgets of the comparison, with one seed each
    knob_budget: float
    knob_seeds: tuple[int, ...] = (0, 1, 2)
    large_knob_budget: float  # of knobs that make no difference at the smaller one
    most_values: int = 100  # of a knob
    wide: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8, *NARROW, 4.0)  # searched at the knobs' budget
    narrow: tuple[float, ...] = NARROW  # searched at the frontier's other budgets
    few: tuple[float, ...] = (1.0, 2.0)  # searched at the budgets beyond
    tokenizer_budgets: tuple[float, ...]
    bpe_sizes: tuple[int, ...] = (512, 1024, 2048, 4096)
    word_budgets: tuple[float, ...]
    word_search_budget: float | None  # None: the recipes' rates
    classic_budget: float
    classic: dict[str, Point] = field(default_factory=dict)  # on top of the coursework's settings


_TINY: Point = {"training.batch_size": 1, "model.n_layers": 1, "model.d_model": 16}
_SCALES = (
    StudySize(
        name="smoke",
        frontier=(1e8, 3e8),
        beyond=(5e8,),
        knob_budget=1e8,
        knob_seeds=(0,),
        large_knob_budget=1e8,
        most_values=2,
        wide=(0.25, 1.0),
        narrow=(1.0,),
        few=(1.0,),
        tokenizer_budgets=(3e8,),
        bpe_sizes=(512,),
        word_budgets=(3e8,),
        word_search_budget=None,
        classic_budget=3e8,
        classic={
            "linear": {"training.batch_size": 4, "model.d_embed": 8},
            "mlp": {"training.batch_size": 4, "model.d_embed": 8},
            "attention": _TINY,
            "transformer": {**_TINY, "model.d_ff": 32},
        },
    ),
    StudySize(
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
    StudySize(
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
