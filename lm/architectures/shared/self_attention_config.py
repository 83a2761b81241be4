"""The settings of models of self-attention, with feed-forward or without it."""

from __future__ import annotations

from typing import Literal

from lm.architectures.shared import fields
from lm.architectures.shared.fields import Initialization
from lm.architectures.spec import ArchitectureConfig
from lm.base.settings import setting

ROTARY_BASE = 1_000.0  # contexts are short here: 10,000 leaves half of the pairs almost still

PositionalEncoding = Literal["none", "learned", "sinusoidal", "rotary"]


class SelfAttentionConfig(ArchitectureConfig, frozen=True):
    """The settings that self-attention has in every architecture. Each adds the width of a head."""

    context_length: int = fields.context_length(64)
    n_layers: int = setting(
        2,
        "Blocks, one after another.",
        ge=1,
        le=64,
        unit="layers",
        basic=True,
        tells="first",
        label="Layers",
    )
    n_heads: int = setting(
        4,
        "Attention heads in each block.",
        ge=1,
        le=64,
        unit="heads",
        basic=True,
        tells="first",
        label="Heads",
    )
    d_model: int = setting(
        64,
        "Width of the residual stream.",
        ge=1,
        le=4096,
        unit="features",
        log=True,
        basic=True,
        step=16,
        tells="first",
        label="Width",
    )
    positional_encoding: PositionalEncoding = setting(
        "rotary", "How a token's place is known: added vectors (learned, sinusoidal) or rotation."
    )
    ngram_order: int = fields.ngram_order()
    ngram_rows: int = fields.ngram_rows()
    ngram_width: int = fields.ngram_width()
    ngram_dropout: float = fields.ngram_dropout()
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
    dropout: float = fields.dropout()
    bias: bool = fields.bias(False)
    qk_norm: bool = setting(
        True,
        "Normalise queries and keys in each head, which keeps attention scores bounded.",
        label="Query-key norm",
    )
    initialization: Initialization = fields.initialization()

    @property
    def two_level(self) -> bool:
        return self.output == "two_level"

    @property
    def head_width(self) -> int:
        """Width of one attention head: a setting of some architectures, of others derived."""
        raise NotImplementedError

    def _check_heads(self, received: str) -> None:
        """Raises ValueError for heads and n-grams that cannot be; `received` says of what width."""
        fields.check_ngrams(self.ngram_order, self.context_length)
        if self.positional_encoding == "rotary" and self.head_width % 2:
            raise ValueError(
                f"positional_encoding 'rotary' needs an even head width. Received: {received}."
            )
