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

    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        if not parameters or parameters[0].device.type == "meta":
            return  # no products of matrices: there is nothing to count
        adamw(
            parameters,  # pyright: ignore[reportArgumentType]
            gradients,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            state["step"],
            fused=True,
            amsgrad=False,
            beta1=self.beta1,
            beta2=self.beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )
