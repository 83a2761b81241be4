"""A multi-layer perceptron over a window of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm.architectures.mlp.config import MLPConfig
from lm.architectures.mlp.recipes import RECIPES
from lm.architectures.shared.parts import (
    activated,
    dropped,
    linear_map,
    output_map,
    window_embeddings,
)
from lm.architectures.shared.window_decoder import WindowDecoder
from lm.architectures.spec import Architecture, Arrays, Module
from lm.base.looks import Look

if TYPE_CHECKING:  # torch costs more than a second
    from lm.architectures.mlp.model import MLPModel


class MultiLayerPerceptron(Architecture[MLPConfig]):
    """See `MLPConfig`."""

    name = "mlp"
    title = "MLP"
    sentence = "A multi-layer perceptron over the last few tokens."
    plainly = "The same few characters through hidden layers, so that they count in combination."
    look = Look("#009E73", dash=(7, 3), shape="square")
    config = MLPConfig
    recipes = RECIPES

    def modules(self, config: MLPConfig, vocab_size: int) -> list[Module]:
        parts = window_embeddings(config, vocab_size)
        width = config.n_embedded * config.d_embed
        after = (
            *activated(config.activation, config.d_hidden),
            *dropped(config.dropout, config.d_hidden),
        )
        for i in range(config.n_layers):
            parts.append(linear_map(f"hidden.{i}", width, config.d_hidden, config.bias, *after))
            width = config.d_hidden
        return [*parts, output_map(width, vocab_size, config.bias)]

    def build(self, config: MLPConfig, vocab_size: int) -> MLPModel:
        from lm.architectures.mlp.model import MLPModel

        return MLPModel(config, vocab_size)

    def decoder(self, config: MLPConfig, vocab_size: int, weights: Arrays) -> WindowDecoder:
        return WindowDecoder(config, vocab_size, weights, config.n_layers, config.activation)


MLP = MultiLayerPerceptron()
