"""The hyperparameters that the study varies, one at a time: data, in `KNOBS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lm.jobs.sweeps import Point
from lm.runs.config import RunConfig
from lm.study.scales import NARROW


@dataclass(frozen=True)
class Knob:
    """A hyperparameter, its values by architecture, and how it is drawn."""

    family: str  # of its runs: the figure that draws them / its own name
    title: str
    values: dict[str, tuple[Any, ...]]
    sets: str | Callable[[Any, RunConfig], Point]  # a setting, or several from the usual run's
    factors: tuple[float, ...] = (1.0,)  # on the learning rate; validation chooses one per value
    large: bool = False  # trained at `StudySize.large_knob_budget`
    log: bool = True  # drawn on a logarithmic axis

    @property
    def figure(self) -> str:
        return self.family.partition("/")[0]

    def settings(self, value: Any, usual: RunConfig) -> Point:
        """The settings of a value, where a run otherwise has those of `usual`."""
        return {self.sets: value} if isinstance(self.sets, str) else self.sets(value, usual)


def _context(value: int, usual: RunConfig) -> Point:
    """A context length; under self-attention the batch keeps its number of tokens."""
    point: Point = {"model.context_length": value}
    if usual.model.architecture in ("attention", "transformer"):
        tokens = usual.training.batch_size * usual.sequence_length
        point["training.batch_size"] = max(1, tokens // value)
    return point


def _width(value: int, usual: RunConfig) -> Point:
    heads = max(h for h in range(1, 5) if value % (16 * h) == 0 or h == 1)
    return {"model.d_model": value, "model.n_heads": heads, "model.d_ff": 4 * value}


def _optimizer(value: str, usual: RunConfig) -> Point:
    """An optimizer and the rates that the factors multiply."""
    rates = {"training.learning_rate": 0.2 if value == "sgd" else 0.02}
    if value == "muon":
        rates["training.adamw_learning_rate"] = 0.01
    return {"training.optimizer": value, **rates}


_CONTEXTS = {
    "linear": (8, 32, 64, 128, 256),
    "mlp": (4, 8, 16, 32, 64),
    "attention": (8, 16, 32, 64, 128),
    "transformer": (8, 16, 32, 64, 128),
}
_WIDTHS = {"transformer": (16, 32, 48, 64, 96, 128)}
_D_FF = {"transformer": (32, 64, 128, 256, 512)}
_SCHEDULES = {"transformer": ("constant", "cosine", "linear", "wsd")}
_POSITIONS = {"transformer": ("none", "learned", "sinusoidal", "rotary")}
_DROPOUTS = {"mlp": (0.0, 0.1, 0.2, 0.3), "transformer": (0.0, 0.1, 0.2, 0.3)}

CONTEXT = Knob("context-length/context", "Context length (tokens)", _CONTEXTS, _context)
KNOBS = (
    CONTEXT,
    Knob(
        "mlp-shape/width",
        "Width of hidden layers",
        {"mlp": (32, 64, 128, 256, 512)},
        "model.d_hidden",
    ),
    Knob("mlp-shape/depth", "Hidden layers", {"mlp": (1, 2, 4, 8)}, "model.n_layers"),
    Knob("attention-heads/heads", "Heads", {"attention": (1, 2, 4, 8)}, "model.n_heads"),
    Knob(
        "attention-heads/head-dimension",
        "Head dimension",
        {"attention": (8, 16, 32, 64)},
        "model.d_head",
    ),
    Knob("transformer-shape/heads", "Heads", {"transformer": (1, 2, 4, 8)}, "model.n_heads"),
    Knob("transformer-shape/layers", "Layers", {"transformer": (1, 2, 3, 4, 6)}, "model.n_layers"),
    Knob("transformer-shape/d_model", "d_model (heads and d_ff follow)", _WIDTHS, _width),
    Knob("transformer-shape/d_ff", "d_ff", _D_FF, "model.d_ff"),
    Knob(
        "training/schedule",
        "Learning-rate schedule",
        _SCHEDULES,
        "training.schedule",
        factors=NARROW,
    ),
    Knob(
        "training/optimizer",
        "Optimizer",
        {"transformer": ("adamw", "sgd", "muon")},
        _optimizer,
        factors=(*NARROW, 4.0),
        large=True,
    ),
    Knob(
        "training/batch",
        "Batch size (rows)",
        {"transformer": (2, 4, 8, 16, 32)},
        "training.batch_size",
        factors=(0.5, 1.0, 2.0),
    ),
    Knob("training/dropout", "Dropout", _DROPOUTS, "model.dropout", large=True, log=False),
    Knob(
        "transformer-options/positions",
        "Positional encoding",
        _POSITIONS,
        "model.positional_encoding",
    ),
    Knob(
        "transformer-options/tying",
        "Input and output embedding",
        {"transformer": ("separate", "tied")},
        lambda value, usual: {"model.tie_embeddings": value == "tied"},
        factors=(0.25, 0.5, 1.0),
    ),
)
