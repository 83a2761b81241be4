"""Results of other versions of this coursework: the only numbers of the report typed in."""

from __future__ import annotations

from typing import NamedTuple

from lm.study.sections import CHARACTERS


class Published(NamedTuple):
    """A result of another version of this coursework (docs/report.md names the source)."""

    name: str
    dataset: str
    architecture: str
    flops: float  # of its training, as PyTorch's counter measures it
    test_loss: float  # nats per token


PUBLISHED = (
    Published("Linear", CHARACTERS, "linear", 9.6e11, 3.0549),
    Published("MLP", CHARACTERS, "mlp", 3.9e12, 2.3222),
    Published("Self-attention", CHARACTERS, "attention", 3.5e13, 2.1335),
    Published("Transformer", CHARACTERS, "transformer", 7.6e13, 2.0058),
    Published("Transformer, PTB", "ptb", "transformer", 1.1e14, 6.1896),
    Published("Transformer, WikiText-2", "wikitext-2", "transformer", 1.3e14, 6.8875),
)
# learning rate -> validation loss after 500 steps, nats per token
PUBLISHED_RATES = {1e-2: 2.099, 1e-3: 2.510, 5e-4: 2.616, 1e-4: 3.200}
