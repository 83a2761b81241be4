"""The settings of softmax regression."""

from __future__ import annotations

from typing import Literal

from lm.architectures.shared import fields
from lm.architectures.shared.fields import Initialization
from lm.architectures.shared.window_config import WindowConfig


class LinearConfig(WindowConfig, frozen=True):
    """Softmax regression over the embeddings of the last `context_length` tokens."""

    architecture: Literal["linear"] = "linear"
    context_length: int = fields.context_length(8)
    d_embed: int = fields.d_embed(32, basic=True)
    bias: bool = fields.bias(True)
    initialization: Initialization = fields.initialization()
