"""The settings of the transformer."""

from __future__ import annotations

import typing
from typing import Literal

from pydantic import model_validator

from lm.architectures.shared.fields import Activation
from lm.architectures.shared.self_attention_config import SelfAttentionConfig
from lm.base.settings import setting


class TransformerConfig(SelfAttentionConfig, frozen=True):
    """Blocks of multi-head causal self-attention and feed-forward."""

    architecture: Literal["transformer"] = "transformer"
    d_ff: int = setting(
        256,
        "Width inside the feed-forward layer.",
        ge=1,
        le=16384,
        unit="features",
        log=True,
        step=32,
        tells="first",
        label="Feed-forward width",
    )
    activation: Activation = setting(
        "relu2", "Non-linearity of the feed-forward; relu2 is ReLU squared, swiglu adds a gate."
    )

    @property
    def head_width(self) -> int:
        return self.d_model // self.n_heads

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        received = f"d_model={self.d_model}, n_heads={self.n_heads}"
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model must be divisible by n_heads. Received: {received}.")
        self._check_heads(received)
        return self
