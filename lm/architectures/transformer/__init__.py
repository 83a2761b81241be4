"""Blocks of multi-head causal self-attention and feed-forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm.architectures.shared.parts import (
    activated,
    dropped,
    linear_map,
    norm,
    self_attention_modules,
)
from lm.architectures.spec import Architecture, Arrays, Module
from lm.architectures.transformer.config import TransformerConfig
from lm.architectures.transformer.decoder import TransformerDecoder
from lm.architectures.transformer.recipes import RECIPES
from lm.architectures.work import Work
from lm.base.looks import Look

if TYPE_CHECKING:  # torch costs more than a second
    from lm.architectures.transformer.model import TransformerModel


class Transformer(Architecture[TransformerConfig]):
    """See `TransformerConfig`."""

    name = "transformer"
    title = "Transformer"
    sentence = "Blocks of self-attention and feed-forward."
    plainly = "Attention and hidden layers in turn: the shape of today's large models."
    look = Look("#0072B2")
    config = TransformerConfig
    recipes = RECIPES

    def modules(self, config: TransformerConfig, vocab_size: int) -> list[Module]:
        def feed_forward(block: str) -> list[Module]:
            name, d, d_ff = f"{block}.feed_forward", config.d_model, config.d_ff
            activation = activated(config.activation, d_ff)
            gate: list[Module] = []
            if config.activation == "swiglu":
                gate.append(linear_map(f"{name}.gate", d, d_ff, config.bias))
            added = (*dropped(config.dropout, d), Work("add", d))
            return [
                norm(config, f"{name}_norm"),
                *gate,
                linear_map(f"{name}.up", d, d_ff, config.bias, *activation),
                linear_map(f"{name}.down", d_ff, d, config.bias, *added),
            ]

        return self_attention_modules(config, vocab_size, feed_forward)

    def build(self, config: TransformerConfig, vocab_size: int) -> TransformerModel:
        from lm.architectures.transformer.model import TransformerModel

        return TransformerModel(config, vocab_size)

    def decoder(
        self, config: TransformerConfig, vocab_size: int, weights: Arrays
    ) -> TransformerDecoder:
        return TransformerDecoder(config, vocab_size, weights)


TRANSFORMER = Transformer()
