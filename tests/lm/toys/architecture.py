"""The smallest architecture: the next token from the last one alone, through `d_embed` features."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lm.architectures import Architecture, ArchitectureConfig, Arrays, Decoder, Module
from lm.architectures.recipes import Recipes, Size
from lm.architectures.shared import fields
from lm.architectures.shared.parts import output_map
from lm.base.looks import Look


class BigramConfig(ArchitectureConfig):
    architecture: Literal["bigram"] = "bigram"
    context_length: int = fields.context_length(1)
    d_embed: int = fields.d_embed(8, basic=True)

    @property
    def longest_row(self) -> int | None:
        return None


class BigramDecoder(Decoder):
    def __init__(self, config: BigramConfig, vocab_size: int, weights: Arrays) -> None:
        super().__init__(config, vocab_size)
        self.logits_after = weights["embedding.weight"] @ weights["head.weight"].T

    def fresh(self) -> BigramDecoder:
        return self

    def first_read(self, n_tokens: int) -> int:
        return n_tokens - 1

    def _logits(self, texts: np.ndarray) -> np.ndarray:
        return self.logits_after[texts[:, -1]]


class Bigram(Architecture[BigramConfig]):
    name = "bigram"
    title = "Bigram"
    sentence = "The last token alone, through a narrow map."
    plainly = "Looks at one character and says what usually comes next."
    look = Look("#E69F00", dash=(4, 2), shape="cross")
    config = BigramConfig
    recipes = Recipes(
        ladders={
            "modern": (
                Size(
                    budget=0,
                    model={"d_embed": 8},
                    training={"batch_size": 8, "sequence_length": 16, "learning_rate": 0.05},
                ),
            )
        },
        fixed={"classic": {"d_embed": 16}},
    )

    def modules(self, config: BigramConfig, vocab_size: int) -> list[Module]:
        embedding = Module(name="embedding", n_params=vocab_size * config.d_embed)
        return [embedding, output_map(config.d_embed, vocab_size, bias=False)]

    def build(self, config: BigramConfig, vocab_size: int):
        from tests.lm.toys.bigram_model import BigramModel

        return BigramModel(config, vocab_size)

    def decoder(self, config: BigramConfig, vocab_size: int, weights: Arrays) -> BigramDecoder:
        return BigramDecoder(config, vocab_size, weights)


BIGRAM = Bigram()
