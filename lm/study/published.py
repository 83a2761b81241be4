"""Results of other versions of this coursework: the only numbers of the report typed by hand."""

from __future__ import annotations

from dataclasses import dataclass

from lm.study.sections import CHARACTERS


@dataclass(frozen=True, kw_only=True)
class Published:
    """A result of another version of this coursework (docs/report.md names the source)."""

    name: str
    dataset: str
    architecture: str
    flops: float  # as PyTorch's counter measures its training
    test_loss: float  # nats per token


PUBLISHED = (
    Published(
        name="Linear",
        dataset=CHARACTERS,
        architecture="linear",
        flops=9.6e11,
        test_loss=3.0549,
    ),
    Published(
        name="MLP",
        dataset=CHARACTERS,
        architecture="mlp",
        flops=3.9e12,
        test_loss=2.3222,
    ),
    Published(
        name="Self-attention",
        dataset=CHARACTERS,
        architecture="attention",
        flops=3.5e13,
        test_loss=2.1335,
    ),
    Published(
        name="Transformer",
        dataset=CHARACTERS,
        architecture="transformer",
        flops=7.6e13,
        test_loss=2.0058,
    ),
    Published(
        name="Transformer, PTB",
        dataset="ptb",
        architecture="transformer",
        flops=1.1e14,
        test_loss=6.1896,
    ),
    Published(
        name="Transformer, WikiText-2",
        dataset="wikitext-2",
        architecture="transformer",
        flops=1.3e14,
        test_loss=6.8875,
    ),
)
# learning rate -> validation loss after 500 steps, nats per token
PUBLISHED_RATES = {1e-2: 2.099, 1e-3: 2.510, 5e-4: 2.616, 1e-4: 3.200}
