"""Muon's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim._muon import muon  # torch exports its class alone

from lm.updates.base_rule import Optimizer
from lm.updates.muon import NEWTON_SCHULZ_STEPS

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as Jordan published it
EPSILON = 1e-7


class MuonOptimizer(Optimizer):
    """torch's Muon, with Nesterov's momentum. Its parameters are matrices."""

    def __init__(
        self, groups: Sequence[dict[str, Any]], learning_rate: float, momentum: float
    ) -> None:
        self.momentum = momentum
        super().__init__(groups, learning_rate)

    def first_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(parameter)}

    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        muon(
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
