"""AdamW's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from lm.updates.base_rule import Optimizer

EPSILON = 1e-8


class AdamWOptimizer(Optimizer):
    """torch's AdamW by its fused kernel: one pass over each parameter."""

    def __init__(
        self, groups: Sequence[dict[str, Any]], learning_rate: float, beta1: float, beta2: float
    ) -> None:
        self.beta1, self.beta2 = beta1, beta2
        super().__init__(groups, learning_rate)

    def first_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }

    def numbers(self, group: dict[str, Any], step: int) -> list[float]:
        return adamw_numbers(self.beta1, self.beta2, group["lr"], group["weight_decay"], step)

    def formula(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], numbers: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        moments = state["exp_avg"], state["exp_avg_sq"]
        parameter, mean, square = adamw_formula(parameter, gradient, *moments, numbers)
        return parameter, {"exp_avg": mean, "exp_avg_sq": square}

    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        if not parameters or parameters[0].device.type == "meta":
            return  # no products of matrices: there is nothing to count
        moments = state["exp_avg"], state["exp_avg_sq"]
        fused_adamw(parameters, gradients, *moments, state["step"], group, self.beta1, self.beta2)


def fused_adamw(
    parameters: Sequence[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    steps: list[Tensor],
    group: dict[str, Any],
    beta1: float,
    beta2: float,
) -> None:
    """torch's own step: it changes `parameters`, their moments and the counts in `steps`."""
    adamw(
        list(parameters),
        gradients,
        means,
        squares,
        [],
        steps,
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=EPSILON,
        maximize=False,
    )


def adamw_numbers(
    beta1: float, beta2: float, learning_rate: float, weight_decay: float, step: int
) -> list[float]:
    """What `adamw_formula` needs of a step."""
    root = (1 - beta2**step) ** 0.5
    rate = learning_rate / (1 - beta1**step)
    return [1 - beta1, beta2, 1 - beta2, 1 - learning_rate * weight_decay, rate, root]


def adamw_formula(
    parameter: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, numbers: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of AdamW in plain operations: the new parameter and its two moments."""
    fresh, kept, fresh_square, decayed, rate, root = numbers.unbind()
    mean = mean + (gradient - mean) * fresh
    square = square * kept + gradient * gradient * fresh_square
    parameter = parameter * decayed - rate * mean / (square.sqrt() / root + EPSILON)
    return parameter, mean, square
