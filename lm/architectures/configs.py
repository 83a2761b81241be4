"""What each architecture can be told."""

from __future__ import annotations

import typing
from typing import Any, Literal

from pydantic import model_validator

from lm.base.registry import must_be_one_of
from lm.base.settings import Config, ConfigError, setting

ROTARY_BASE = 1_000.0  # contexts are short here: 10,000 leaves half of the pairs almost still

Activation = Literal["relu", "gelu", "relu2", "swiglu"]
PositionalEncoding = Literal["none", "learned", "sinusoidal", "rotary"]
Initialization = Literal["pytorch", "gpt2", "zero_output"]

_CONTEXT = "Tokens a prediction may look back on."
_BIAS = "Add a learned offset to every linear map (and norm)."
_DROPOUT = "Share of activations zeroed at random during training; helps when data repeat."
_NGRAM_ORDER = (
    "Longest run of tokens that has an embedding of its own, added to its last token's; "
    "1: none has. Lookups are no FLOPs."
)
_NGRAM_ROWS = "Rows in the table of each n-gram length; if there are more n-grams, some share one."
_NGRAM_WIDTH = "Width of an n-gram's embedding, before a linear map to that of a token."
_NGRAM_DROPOUT = (
    "Share of n-grams left out at random in training, so that rare ones are not trusted."
)
_INITIALIZATION = (
    "First weights. pytorch: each layer's own default; gpt2: normal, 0.02, residual outputs "
    "scaled by depth; zero_output: scaled by fan-in, outputs of blocks and head at zero."
)


class ArchitectureConfig(Config):
    """What an architecture can be told: the base of every architecture's own config."""

    architecture: str
    context_length: int


class LinearConfig(ArchitectureConfig):
    """Softmax regression over the embeddings of the last `context_length` tokens."""

    architecture: Literal["linear"] = "linear"
    context_length: int = setting(8, _CONTEXT, ge=1, le=4096, unit="tokens", log=True, basic=True)
    d_embed: int = setting(
        32, "Width of one token's embedding.", ge=1, le=4096, unit="features", log=True, basic=True
    )
    ngram_order: int = setting(1, _NGRAM_ORDER, ge=1, le=8, unit="tokens")
    ngram_rows: int = setting(32_768, _NGRAM_ROWS, ge=1, le=2**22, unit="rows", log=True)
    ngram_width: int = setting(16, _NGRAM_WIDTH, ge=1, le=1024, unit="features", log=True)
    ngram_dropout: float = setting(0.0, _NGRAM_DROPOUT, ge=0, lt=1)
    bias: bool = setting(True, _BIAS)
    initialization: Initialization = setting("zero_output", _INITIALIZATION)

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        _check_ngrams(self.ngram_order, self.context_length)
        return self


class MLPConfig(ArchitectureConfig):
    """A multi-layer perceptron over the embeddings of the last `context_length` tokens."""

    architecture: Literal["mlp"] = "mlp"
    context_length: int = setting(12, _CONTEXT, ge=1, le=4096, unit="tokens", log=True, basic=True)
    d_embed: int = setting(
        16, "Width of one token's embedding.", ge=1, le=4096, unit="features", log=True
    )
    ngram_order: int = setting(1, _NGRAM_ORDER, ge=1, le=8, unit="tokens")
    ngram_rows: int = setting(32_768, _NGRAM_ROWS, ge=1, le=2**22, unit="rows", log=True)
    ngram_width: int = setting(16, _NGRAM_WIDTH, ge=1, le=1024, unit="features", log=True)
    ngram_dropout: float = setting(0.0, _NGRAM_DROPOUT, ge=0, lt=1)
    n_layers: int = setting(2, "Hidden layers.", ge=1, le=64, unit="layers", basic=True)
    d_hidden: int = setting(
        256, "Width of a hidden layer.", ge=1, le=16384, unit="features", log=True, basic=True
    )
    activation: Literal["relu", "gelu", "relu2"] = setting(
        "relu2", "Non-linearity of the hidden layers; relu2 is the square of ReLU."
    )
    dropout: float = setting(0.0, _DROPOUT, ge=0, lt=1)
    bias: bool = setting(True, _BIAS)
    initialization: Initialization = setting("zero_output", _INITIALIZATION)

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        _check_ngrams(self.ngram_order, self.context_length)
        return self


class _SelfAttentionConfig(ArchitectureConfig):
    """What the two self-attention architectures share."""

    context_length: int = setting(64, _CONTEXT, ge=1, le=4096, unit="tokens", log=True, basic=True)
    n_layers: int = setting(2, "Blocks, one after another.", ge=1, le=64, unit="layers", basic=True)
    n_heads: int = setting(
        4, "Attention heads in each block.", ge=1, le=64, unit="heads", basic=True
    )
    d_model: int = setting(
        64, "Width of the residual stream.", ge=1, le=4096, unit="features", log=True, basic=True
    )
    positional_encoding: PositionalEncoding = setting(
        "rotary", "How a token's place is known: added vectors (learned, sinusoidal) or rotation."
    )
    ngram_order: int = setting(1, _NGRAM_ORDER, ge=1, le=8, unit="tokens")
    ngram_rows: int = setting(32_768, _NGRAM_ROWS, ge=1, le=2**22, unit="rows", log=True)
    ngram_width: int = setting(16, _NGRAM_WIDTH, ge=1, le=1024, unit="features", log=True)
    ngram_dropout: float = setting(0.0, _NGRAM_DROPOUT, ge=0, lt=1)
    norm: Literal["layer", "rms"] = setting("rms", "Normalisation of the residual stream.")
    norm_position: Literal["pre", "post"] = setting(
        "pre", "Normalise before each sublayer (pre) or after adding its output (post)."
    )
    tie_embeddings: bool = setting(
        False, "Use the token embedding as the output matrix, sharing its parameters."
    )
    output: Literal["softmax", "two_level"] = setting(
        "softmax",
        "How the next token is predicted: by one softmax over the vocabulary or, at a fraction "
        "of the FLOPs where it is large, by two: a cluster of tokens, then a token of it.",
    )
    dropout: float = setting(0.0, _DROPOUT, ge=0, lt=1)
    bias: bool = setting(False, _BIAS)
    qk_norm: bool = setting(
        True, "Normalise queries and keys in each head, which keeps attention scores bounded."
    )
    initialization: Initialization = setting("zero_output", _INITIALIZATION)


class AttentionConfig(_SelfAttentionConfig):
    """Blocks of multi-head causal self-attention, without feed-forward."""

    architecture: Literal["attention"] = "attention"
    d_head: int = setting(
        32, "Width of one attention head.", ge=1, le=1024, unit="features", log=True
    )

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        _check_ngrams(self.ngram_order, self.context_length)
        _check_rotary(self.positional_encoding, self.d_head, f"d_head={self.d_head}")
        return self


class TransformerConfig(_SelfAttentionConfig):
    """Blocks of multi-head causal self-attention and feed-forward."""

    architecture: Literal["transformer"] = "transformer"
    d_ff: int = setting(
        256, "Width inside the feed-forward layer.", ge=1, le=16384, unit="features", log=True
    )
    activation: Activation = setting(
        "relu2", "Non-linearity of the feed-forward; relu2 is ReLU squared, swiglu adds a gate."
    )

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        received = f"d_model={self.d_model}, n_heads={self.n_heads}"
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model must be divisible by n_heads. Received: {received}.")
        _check_ngrams(self.ngram_order, self.context_length)
        _check_rotary(self.positional_encoding, self.d_head, received)
        return self


def _check_ngrams(order: int, context_length: int) -> None:
    if order > context_length:
        raise ValueError(
            f"ngram_order must not exceed context_length. Received: ngram_order={order}, "
            f"context_length={context_length}."
        )


def _check_rotary(positional_encoding: str, d_head: int, received: str) -> None:
    if positional_encoding == "rotary" and d_head % 2:
        raise ValueError(
            f"positional_encoding 'rotary' needs an even head width. Received: {received}."
        )


ModelConfig = ArchitectureConfig
ARCHITECTURES: dict[str, type[ArchitectureConfig]] = {
    "linear": LinearConfig,
    "mlp": MLPConfig,
    "attention": AttentionConfig,
    "transformer": TransformerConfig,
}


def model_config(architecture: str, **values: Any) -> ModelConfig:
    """The config of a named architecture; `ConfigError` if there is no such architecture."""
    if architecture not in ARCHITECTURES:
        raise ConfigError(must_be_one_of("architecture", architecture, ARCHITECTURES))
    return ARCHITECTURES[architecture](**values)
