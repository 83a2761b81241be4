"""The settings of the multi-layer perceptron."""

from __future__ import annotations

from typing import Literal

from lm.architectures.shared import fields
from lm.architectures.shared.fields import Initialization
from lm.architectures.shared.window_config import WindowConfig
from lm.base.settings import setting


class MLPConfig(WindowConfig, frozen=True):
    """A multi-layer perceptron over the embeddings of the last `context_length` tokens."""

    architecture: Literal["mlp"] = "mlp"
    context_length: int = fields.context_length(12)
    d_embed: int = fields.d_embed(16)
    n_layers: int = setting(
        2, "Hidden layers.", ge=1, le=64, unit="layers", basic=True, tells="first", label="Layers"
    )
    d_hidden: int = setting(
        256,
        "Width of a hidden layer.",
        ge=1,
        le=16384,
        unit="features",
        log=True,
        basic=True,
        step=32,
        tells="first",
        label="Width",
    )
    activation: Literal["relu", "gelu", "relu2"] = setting(
        "relu2", "Non-linearity of the hidden layers; relu2 is the square of ReLU."
    )
    dropout: float = fields.dropout()
    bias: bool = fields.bias(True)
    initialization: Initialization = fields.initialization()
