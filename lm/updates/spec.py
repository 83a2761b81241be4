"""What an optimizer is to the rest of the program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lm.architectures import Module
from lm.architectures.work import Amount

if TYPE_CHECKING:  # torch costs more than a second
    from torch import nn

    from lm.updates.config import TrainingConfig


class AnyOptimizer(Protocol):
    """What training needs of an optimizer: the program's own are one, as is any of torch.optim."""

    param_groups: list[dict[str, Any]]  # each with its "params" and their "lr"

    def step(self) -> Any:
        """Update every parameter that has a gradient."""

    def state_dict(self) -> dict[str, Any]:
        """All that later steps depend on, by "state" and the number of the parameter."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Continue from there."""


class Update(ABC):
    """A rule that turns gradients into steps, registered by a line in `lm.updates`."""

    name: str
    settings: frozenset[str]  # fields of `TrainingConfig` that it reads and others may not

    def flops(self, module: Module) -> int:
        """Matrix products of one update of a module, in FLOPs."""
        return 0

    @abstractmethod
    def work(self, module: Module) -> Amount:
        """What else an update of a module computes, and the numbers that it reads and writes.

        Without clipping, and at the prices of `lm.architectures.work`.
        """

    def refuses(self, modules: Sequence[Module]) -> str | None:
        """Why it cannot train a model of these parts, if it cannot."""
        return None

    @abstractmethod
    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[AnyOptimizer]:
        """Optimizers that together have all `parameters`, the main one first.

        Matrices are decayed, vectors (biases, norms) are not. The learning rates are the peaks.
        """
