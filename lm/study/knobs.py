"""The hyperparameters that the study varies, one at a time: data, in `KNOBS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lm.jobs.sweeps import Point
from lm.runs.config import RunConfig
from lm.study.scales import NARROW


@dataclass(frozen=True, kw_only=True)
class Knob:
    """A hyperparameter, its values by architecture, and how it is drawn."""

    name: str
    figure: str
    title: str
    values: dict[str, tuple[Any, ...]]
    settings: Callable[[Any, RunConfig], Point]  # a value and the usual run -> what is set
    factors: tuple[float, ...] = (1.0,)  # on the learning rate; validation chooses one per value
    large: bool = False  # trained at `Scale.large_knob_budget`
    log: bool = True  # drawn on a logarithmic axis

    @property
    def family(self) -> str:
        """The name of its families of runs."""
        return f"{self.figure}/{self.name}"


def _model(name: str) -> Callable[[Any, RunConfig], Point]:
    return lambda value, base: {f"model.{name}": value}


def _training(name: str) -> Callable[[Any, RunConfig], Point]:
    return lambda value, base: {f"training.{name}": value}


def _context(value: int, base: RunConfig) -> Point:
    """A context length; under self-attention the batch keeps its number of tokens."""
    point: Point = {"model.context_length": value}
    if base.model.architecture in ("attention", "transformer"):
        tokens = base.training.batch_size * base.sequence_length
        point["training.batch_size"] = max(1, tokens // value)
    return point


def _width(value: int, base: RunConfig) -> Point:
    heads = max(h for h in range(1, 5) if value % (16 * h) == 0 or h == 1)
    return {"model.d_model": value, "model.n_heads": heads, "model.d_ff": 4 * value}


_OPTIMIZERS: dict[str, Point] = {  # the rates that the factors multiply
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
