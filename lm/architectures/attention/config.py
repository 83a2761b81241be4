"""The settings of self-attention without feed-forward."""

from __future__ import annotations

import typing
from typing import Literal

from pydantic import model_validator

from lm.architectures.shared.self_attention_config import SelfAttentionConfig
from lm.base.settings import setting


class AttentionConfig(SelfAttentionConfig, frozen=True):
    """Blocks of multi-head causal self-attention, without feed-forward."""

    architecture: Literal["attention"] = "attention"
    d_head: int = setting(
        32,
        "Width of one attention head.",
        ge=1,
        le=1024,
        unit="features",
        log=True,
        tells="first",
        label="Head width",
    )

    @property
    def head_width(self) -> int:
        return self.d_head

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        self._check_heads(f"d_head={self.d_head}")
        return self
