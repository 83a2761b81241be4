"""Softmax regression over a window of tokens: each of them votes for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm.architectures.linear.config import LinearConfig
from lm.architectures.linear.recipes import RECIPES
from lm.architectures.shared.parts import output_map, window_embeddings
from lm.architectures.shared.window_decoder import WindowDecoder
from lm.architectures.spec import Architecture, Arrays, Module
from lm.base.looks import Look

if TYPE_CHECKING:  # torch costs more than a second
    from lm.architectures.linear.model import LinearModel


class Linear(Architecture[LinearConfig]):
    """See `LinearConfig`."""

    name = "linear"
    title = "Linear"
    sentence = "Softmax regression over the last few tokens."
    plainly = "Each of the last few characters votes for the next one; the votes are added up."
    look = Look("#CC79A7", dash=(2, 2), shape="triangle-up")
    config = LinearConfig
    recipes = RECIPES

    def modules(self, config: LinearConfig, vocab_size: int) -> list[Module]:
        head = output_map(config.n_embedded * config.d_embed, vocab_size, config.bias)
        return [*window_embeddings(config, vocab_size), head]

    def build(self, config: LinearConfig, vocab_size: int) -> LinearModel:
        from lm.architectures.linear.model import LinearModel

        return LinearModel(config, vocab_size)

    def decoder(self, config: LinearConfig, vocab_size: int, weights: Arrays) -> WindowDecoder:
        return WindowDecoder(config, vocab_size, weights)


LINEAR = Linear()
