"""The step of stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from lm.updates.base_rule import Optimizer


class SGDOptimizer(Optimizer):
    """torch's SGD with momentum; its weight decay is part of the gradient."""

    def __init__(
        self, groups: Sequence[dict[str, Any]], learning_rate: float, momentum: float
    ) -> None:
        self.momentum = momentum
        super().__init__(groups, learning_rate)

    def first_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(parameter)} if self.momentum else {}

    def numbers(self, group: dict[str, Any], step: int) -> list[float]:
        return [self.momentum, group["weight_decay"], group["lr"]]

    def formula(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], numbers: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        momentum, weight_decay, rate = numbers.unbind()
        moved = gradient + weight_decay * parameter
        if state:
            moved = momentum * state["momentum_buffer"] + moved
            state = {"momentum_buffer": moved}
        return parameter - rate * moved, state

    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        sgd(
            parameters,  # pyright: ignore[reportArgumentType]
            gradients,
            list(state.get("momentum_buffer", [None] * len(parameters))),
            foreach=True,
            weight_decay=group["weight_decay"],
            momentum=self.momentum,
            lr=group["lr"],
            dampening=0,
            nesterov=False,
            maximize=False,
        )
