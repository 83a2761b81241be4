"""Setups of others, the same for every budget: each architecture's model stands in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lm.architectures import AnyArchitecture
from lm.runs.presets.spec import Brief, Preset, Settings


class Fixed(Preset):
    """A preset that chooses the same whatever is asked for."""

    training: ClassVar[Mapping[str, Any]]

    def suits(self, architecture: AnyArchitecture) -> bool:
        return self.name in architecture.recipes.fixed

    def settings(self, brief: Brief) -> Settings:
        model = brief.architecture.recipes.fixed[self.name]
        return Settings(model=dict(model), training=dict(self.training))
