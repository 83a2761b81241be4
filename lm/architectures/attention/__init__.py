"""Blocks of multi-head causal self-attention: the transformer without its feed-forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm.architectures.attention.config import AttentionConfig
from lm.architectures.attention.recipes import RECIPES
from lm.architectures.shared.parts import self_attention_modules
from lm.architectures.shared.self_attention_decoder import SelfAttentionDecoder
from lm.architectures.spec import Architecture, Arrays, Module
from lm.base.looks import Look

if TYPE_CHECKING:  # torch costs more than a second
    from lm.architectures.shared.self_attention_model import SelfAttentionModel


class Attention(Architecture[AttentionConfig]):
    """See `AttentionConfig`."""

    name = "attention"
    title = "Attention"
    sentence = "Blocks of multi-head self-attention, without feed-forward."
    plainly = "Looks back over a longer text and picks out what matters."
    look = Look("#D55E00", dash=(9, 3, 2, 3), shape="diamond")
    config = AttentionConfig
    recipes = RECIPES

    def modules(self, config: AttentionConfig, vocab_size: int) -> list[Module]:
        return self_attention_modules(config, vocab_size)

    def build(self, config: AttentionConfig, vocab_size: int) -> SelfAttentionModel:
        from lm.architectures.shared.self_attention_model import SelfAttentionModel

        return SelfAttentionModel(config, vocab_size)

    def decoder(
        self, config: AttentionConfig, vocab_size: int, weights: Arrays
    ) -> SelfAttentionDecoder:
        return SelfAttentionDecoder(config, vocab_size, weights)


ATTENTION = Attention()
