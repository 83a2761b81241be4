"""Optimizers that call torch's update functions and hold no more than those need.

They have the part of `torch.optim.Optimizer` that training uses. Its own first call imports torch's
compiler, which takes a second: as long as a small run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def decayed_matrices(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[Any]:
    """Parameter groups: matrices with decay, vectors (biases, norms) without."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


class Optimizer(ABC):
    """Parameters in groups, each with its "lr" and "weight_decay", and what is known of each."""

    elementwise = True  # whether each number of a parameter is updated by itself

    def __init__(self, groups: Sequence[dict[str, Any]], learning_rate: float) -> None:
        """`groups`: of "params" and "weight_decay"."""
        self.param_groups: list[dict[str, Any]] = [
            {"lr": learning_rate, **group} for group in groups
        ]
        self._state: dict[nn.Parameter, dict[str, Tensor]] = {
            parameter: self.first_state(parameter)
            for group in self.param_groups
            for parameter in group["params"]
        }

    @abstractmethod
    def first_state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """What is remembered of a parameter, by name, before the first step."""

    @abstractmethod
    def update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        group: dict[str, Any],
    ) -> None:
        """Change some parameters of a group, and their state, by their gradients."""

    @abstractmethod
    def numbers(self, group: dict[str, Any], step: int) -> list[float]:
        """What `formula` needs of a step (1, 2, …) beside tensors: always as many."""

    @abstractmethod
    def formula(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], numbers: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """`update` of one parameter in plain operations: the new parameter, and the new state.

        For an engine that compiles them. `numbers` (n,) as above; a count of steps is no part of
        `state`.
        """

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            states = [self._state[parameter] for parameter in parameters]
            names = states[0] if states else ()
            self.update(
                parameters,
                [parameter.grad for parameter in parameters],
                {name: [state[name] for state in states] for name in names},
                group,
            )

    def of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """What is remembered of a parameter, by name."""
        return self._state[parameter]

    def state_dict(self) -> dict[str, Any]:
        """As that of `torch.optim.Optimizer`: "state" by the number of the parameter."""
        groups = [{k: v for k, v in group.items() if k != "params"} for group in self.param_groups]
        return {"state": dict(enumerate(self._state.values())), "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state. Raises KeyError or RuntimeError if it is of another model."""
        for number, own in enumerate(self._state.values()):
            for name, tensor in own.items():
                tensor.copy_(state_dict["state"][number][name])
