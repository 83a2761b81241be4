"""What an optimizer is to the rest of the program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module

if TYPE_CHECKING:  # torch costs more than a second
    import torch
    from torch import nn

    from lm.updates.config import TrainingConfig


class Update(ABC):
    """A rule that turns gradients into steps, registered by a line in `lm.updates`."""

    name: str
    settings: frozenset[str]  # fields of `TrainingConfig` that it reads and others may not
    moments: int  # numbers that it remembers of every parameter, at most

    def flops(self, module: Module) -> int:
        """Matrix products of one update of a module, in FLOPs."""
        return 0

    def refuses(self, modules: Sequence[Module]) -> str | None:
        """Why it cannot train a model of these parts, if it cannot."""
        return None

    @abstractmethod
    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[torch.optim.Optimizer]:
        """Optimizers that together have all `parameters`, the main one first.

        Matrices are decayed, vectors (biases, norms) are not. The learning rates are the peaks.
        """
