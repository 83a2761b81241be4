"""Everything that determines the result of a run."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import SerializeAsAny, field_validator, model_validator

from lm.architectures.configs import ArchitectureConfig, model_config
from lm.base.settings import Config
from lm.datasets.config import DataConfig
from lm.updates.config import TrainingConfig

SCHEMA_VERSION = 1


class RunConfig(Config):
    """Everything that determines the result of a run."""

    preset: str = "modern"
    data: DataConfig
    model: SerializeAsAny[ArchitectureConfig]
    training: TrainingConfig

    @field_validator("model", mode="before")
    @classmethod
    def _of_its_architecture(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return model_config(**{"architecture": None, **value})
        return value

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        architecture, context_length = self.model.architecture, self.model.context_length
        row = self.training.sequence_length
        if architecture in ("attention", "transformer") and row and row > context_length:
            raise ValueError(
                f"training.sequence_length must not exceed model.context_length for "
                f"{architecture}. Received: sequence_length={row}, "
                f"context_length={context_length}."
            )
        if self.training.optimizer == "muon" and architecture == "linear":
            raise ValueError(
                "training.optimizer must be adamw or sgd for linear, which has no hidden matrix "
                "for Muon to orthogonalise. Received: 'muon'."
            )
        return self

    @property
    def sequence_length(self) -> int:
        """Positions per row, the default resolved.

        A window model that learns from the last position of a row needs no other.
        """
        window = self.model.architecture in ("linear", "mlp")
        if window and self.training.objective == "last_position":
            return 1
        return self.training.sequence_length or self.model.context_length
