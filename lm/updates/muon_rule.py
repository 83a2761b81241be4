"""Muon's step."""

# torch's functions of lists have no public name, and some of its functions no types
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lm.updates.base_rule import Optimizer
from lm.updates.muon import NEWTON_SCHULZ_STEPS

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as Jordan published it
EPSILON = 1e-7


class MuonOptimizer(Optimizer):
    """What torch.optim.Muon computes, with Nesterov's momentum, for matrices of a shape at once.

    The same numbers to the last bit: small products take less time together, a fifth of it where
    there are sixteen of 64 × 64.
    """

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
        (turned,) = orthogonalized(ahead[None])
        rate = rate * _rate_of(parameter)
        return parameter * decayed - rate * turned, {"momentum_buffer": mean}

    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        changed: list[Tensor] = list(parameters)
        rate, means = group["lr"], state["momentum_buffer"]
        torch._foreach_lerp_(means, gradients, 1 - self.momentum)
        ahead = torch._foreach_lerp(gradients, means, self.momentum)  # Nesterov's
        torch._foreach_mul_(changed, 1 - rate * group["weight_decay"])
        for shape in dict.fromkeys(parameter.shape for parameter in parameters):
            own = [i for i, parameter in enumerate(parameters) if parameter.shape == shape]
            turned = orthogonalized(torch.stack([ahead[i] for i in own]))
            for i, each in zip(own, turned, strict=True):
                parameters[i].add_(each, alpha=-rate * _rate_of(parameters[i]))


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices (k, m, n) with their singular values moved to about 1, in bfloat16.

    By the quintic Newton–Schulz iteration of kellerjordan.github.io/posts/muon.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.bfloat16()
    x = x.mT if tall else x
    norms = torch.linalg.vector_norm(x, dim=(-2, -1), keepdim=True)
    x = x / norms.clamp(min=EPSILON)  # so that no singular value exceeds 1
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _rate_of(parameter: Tensor) -> float:
    """What the rate of a matrix m × n is multiplied by: √max(1, m / n)."""
    m, n = parameter.shape
    return max(1.0, m / n) ** 0.5
