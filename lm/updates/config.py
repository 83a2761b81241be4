"""How long and how a model is trained."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import model_validator

from lm.base.settings import Config, Values, one_of, setting
from lm.updates import SCHEDULES, UPDATES


def _read_by_optimizer(name: str) -> Callable[[Values], bool]:
    """Whether the optimizer beside it reads a setting."""
    return lambda values: name in UPDATES[values["optimizer"]].settings


class TrainingConfig(Config, frozen=True):
    """How long and how a model is trained. Exactly one of budget, steps and epochs is set."""

    budget: float | None = setting(
        None,
        "Training FLOPs the run may spend.",
        gt=0,
        le=1e18,
        unit="FLOPs",
        log=True,
        basic=True,
        tells="first",
    )
    budget_cap: float | None = setting(
        None,
        "FLOPs that the text is worth: a larger budget keeps to them, and the rest is not spent. "
        "Where the preset sets a cap, a higher one spends more.",
        gt=0,
        le=1e18,
        unit="FLOPs",
        log=True,
        applies=lambda values: values.get("budget") is not None,
    )
    steps: int | None = setting(
        None, "Optimizer updates, instead of a budget.", ge=1, le=10_000_000, unit="steps", log=True
    )
    epochs: float | None = setting(
        None, "Passes over the train split, instead of a budget.", gt=0, le=10_000, unit="epochs"
    )
    batch_size: int = setting(
        16,
        "Rows per step.",
        ge=1,
        le=65536,
        unit="rows",
        log=True,
        basic=True,
        step=4,
        tells="first",
    )
    sequence_length: int | None = setting(
        None,
        "Predictions per row. Left out: context_length; only models over a window may exceed it.",
        ge=1,
        le=65536,
        unit="tokens",
        log=True,
        step=8,
    )
    objective: Literal["all_positions", "last_position"] = setting(
        "all_positions",
        "Learn from every position of a row, or, as the study's first version, from the last.",
    )
    optimizer: Annotated[str, *one_of(UPDATES)] = setting(
        "adamw",
        "The update rule; muon orthogonalises hidden matrices and uses AdamW elsewhere.",
        tells="first",
    )
    learning_rate: float = setting(
        0.01,
        "Peak step size (of Muon's matrices under muon).",
        gt=0,
        le=100,
        log=True,
        basic=True,
        tells="first",
    )
    adamw_learning_rate: float = setting(
        0.01,
        "Under muon: peak step size of embeddings, head and norms.",
        gt=0,
        le=100,
        log=True,
        applies=_read_by_optimizer("adamw_learning_rate"),
        label="AdamW learning rate",
    )
    weight_decay: float = setting(
        0.1,
        "Decoupled shrinking of matrices.",
        ge=0,
        le=100,
        applies=_read_by_optimizer("weight_decay"),
    )
    beta1: float = setting(
        0.9,
        "AdamW: memory of the mean gradient.",
        ge=0,
        lt=1,
        applies=_read_by_optimizer("beta1"),
        label="AdamW β₁",
    )
    beta2: float = setting(
        0.99,
        "AdamW: memory of the squared gradient.",
        ge=0,
        lt=1,
        applies=_read_by_optimizer("beta2"),
        label="AdamW β₂",
    )
    table_update: Literal["every_row", "touched_rows"] = setting(
        "every_row",
        "AdamW on tables of n-grams: on every row at every step, or on the rows that a step reads, "
        "with what the others would have moved made up for when they are read. The result is the "
        "same to rounding, in a fraction of the time.",
        applies=_read_by_optimizer("table_update"),
    )
    momentum: float = setting(
        0.95,
        "SGD and Muon: memory of past updates.",
        ge=0,
        lt=1,
        applies=_read_by_optimizer("momentum"),
    )
    schedule: Annotated[str, *one_of(SCHEDULES)] = setting(
        "linear",
        "Learning rate after warm-up: constant, cosine or straight line to the end, or wsd: "
        "stable, then a straight line over the last part.",
    )
    warmup_fraction: float = setting(
        0.02, "Share of the steps in which the learning rate rises.", ge=0, le=0.9, label="Warm-up"
    )
    decay_fraction: float = setting(
        0.2,
        "wsd: share of the steps that decay.",
        gt=0,
        le=1,
        applies=lambda values: SCHEDULES[values["schedule"]].late,
        label="Decay",
    )
    final_lr_fraction: float = setting(
        0.0,
        "Learning rate at the end, as a share of its peak.",
        ge=0,
        le=1,
        applies=lambda values: SCHEDULES[values["schedule"]].decays,
        label="Final learning rate",
    )
    z_loss: float = setting(
        0.0,
        "Weight of (log Z)² beside the loss, Z being the denominator of the output's softmax: a "
        "regulariser that holds logits, and with them confidence, back.",
        ge=0,
        le=100,
        label="Weight of z-loss",
    )
    grad_clip: float = setting(
        1.0, "Largest gradient norm; 0 clips nothing.", ge=0, le=1e6, label="Gradient clipping"
    )
    seed: int = setting(0, "First weights, data order and dropout.", ge=0, le=2**31 - 1)
    threads: int | None = setting(
        None,
        "Threads to compute on, each a process where there are several on Linux. Left out: "
        "chosen for this machine, and stored.",
        ge=1,
        le=1024,
        tells="never",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "Where to compute.", tells="never"
    )
    engine: Literal["auto", "compiled", "eager"] = setting(
        "auto",
        "What takes the steps: a program compiled for them, or PyTorch operator by operator. "
        "auto compiles small steps, which gain most, where jax is installed.",
        tells="never",
    )
    precision: Literal["float32", "bfloat16"] = setting(
        "float32",
        "Numbers that large matrices are multiplied in; bfloat16 is faster where the processor "
        "has instructions for it, and slower elsewhere.",
    )

    @property
    def most_flops(self) -> float | None:
        """What a run may spend: its budget, or the cap where that is lower; None without one."""
        if self.budget is None:
            return None
        return min(self.budget, self.budget_cap or self.budget)

    @property
    def unspent(self) -> float:
        """FLOPs of the budget beyond its cap, which are not spent."""
        return (self.budget or 0.0) - (self.most_flops or 0.0)

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        horizons = {"budget": self.budget, "steps": self.steps, "epochs": self.epochs}
        given = {name: value for name, value in horizons.items() if value is not None}
        if len(given) != 1:
            received = ", ".join(f"{name}={value:g}" for name, value in given.items()) or "none"
            raise ValueError(
                f"budget, steps and epochs exclude each other; give one. Received: {received}."
            )
        if self.table_update != "touched_rows":
            return self
        # the closed form that makes up for what rows have missed needs a tail that fades
        if self.beta1 >= self.beta2:
            raise ValueError(
                "beta1 must be less than beta2 for table_update=touched_rows. "
                f"Received: beta1={self.beta1:g}, beta2={self.beta2:g}."
            )
        muon = "adamw_learning_rate" in UPDATES[self.optimizer].settings
        rate = self.adamw_learning_rate if muon else self.learning_rate
        if rate * self.weight_decay >= 1:
            raise ValueError(
                "weight_decay times the learning rate of AdamW must be less than 1 for "
                f"table_update=touched_rows. Received: {self.weight_decay:g} and {rate:g}."
            )
        return self
