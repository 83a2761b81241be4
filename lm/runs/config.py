"""Everything that determines the result of a run."""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import SerializeAsAny, field_validator, model_validator

from lm.architectures import ArchitectureConfig, model_config, modules
from lm.architectures.spec import Module
from lm.base.settings import Config
from lm.base.wording import listed
from lm.datasets.config import DataConfig
from lm.updates import UPDATES
from lm.updates.config import TrainingConfig

SCHEMA_VERSION = 2


@functools.lru_cache(maxsize=500)  # the runs of a sweep share a model
def _parts(model: ArchitectureConfig) -> list[Module]:
    return modules(model, vocab_size=2)


class RunConfig(Config, frozen=True):
    """Everything that determines the result of a run."""

    preset: str = "modern"
    data: DataConfig
    model: SerializeAsAny[ArchitectureConfig]
    training: TrainingConfig

    @field_validator("model", mode="before")
    @classmethod
    def _of_its_architecture(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            values = dict(typing.cast(Mapping[str, Any], value))
            return model_config(str(values.pop("architecture", None)), **values)
        return value

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        model, row = self.model, self.training.sequence_length
        if row and model.longest_row and row > model.longest_row:
            raise ValueError(
                f"training.sequence_length must not exceed model.context_length for "
                f"{model.architecture}. Received: sequence_length={row}, "
                f"context_length={model.context_length}."
            )
        parts = _parts(model)
        reasons = {name: update.refuses(parts) for name, update in UPDATES.items()}
        if (reason := reasons[self.training.optimizer]) is not None:
            fitting = listed((name for name, reason in reasons.items() if reason is None), "or")
            raise ValueError(
                f"training.optimizer must be {fitting} for {model.architecture}, {reason}. "
                f"Received: {self.training.optimizer!r}."
            )
        return self

    @property
    def sequence_length(self) -> int:
        """Predictions per row, the default resolved.

        A model over a window reads the tokens before a row. To learn from the last position alone
        it therefore needs rows of one prediction.
        """
        windows = self.model.lookback == self.model.context_length - 1
        if windows and self.training.objective == "last_position":
            return 1
        return self.training.sequence_length or self.model.context_length
