"""Muon's step."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import _muon as torchs  # which exports its class alone

from lm.updates.base_rule import Optimizer
from lm.updates.muon import NEWTON_SCHULZ_STEPS

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as Jordan published it
EPSILON = 1e-7


class MuonOptimizer(Optimizer):
    """torch's Muon, with Nesterov's momentum. Its parameters are matrices."""

    elementwise = False

    def __init__(
        self, groups: Sequence[dict[str, Any]], learning_rate: float, momentum: float
    ) -> None:
        self.momentum = momentum
        super().__init__(groups, learning_rate)

    def first_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(parameter)}

    def numbers(self, group: dict[str, Any], step: int) -> list[float]:
        rate = group["lr"]
        return [self.momentum, 1 - self.momentum, 1 - rate * group["weight_decay"], rate]

    def formula(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], numbers: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        momentum, fresh, decayed, rate = numbers.unbind()
        mean = state["momentum_buffer"]
        mean = mean + (gradient - mean) * fresh
        ahead = gradient + (mean - gradient) * momentum  # Nesterov's
        turned = torchs._zeropower_via_newtonschulz(
            ahead, COEFFICIENTS, NEWTON_SCHULZ_STEPS, EPSILON
        )
        rate = rate * torchs._adjust_lr(1.0, None, parameter.shape)
        return parameter * decayed - rate * turned, {"momentum_buffer": mean}

    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        torchs.muon(
            parameters,  # pyright: ignore[reportArgumentType]
            gradients,
            state["momentum_buffer"],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=self.momentum,
            nesterov=True,
            ns_coefficients=COEFFICIENTS,
            ns_steps=NEWTON_SCHULZ_STEPS,
            eps=EPSILON,
            adjust_lr_fn=None,
            has_complex=False,
        )
