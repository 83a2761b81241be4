"""What the figures of the study are called, for people."""

from __future__ import annotations

from lm.datasets import DATASETS

TITLES = {  # of figures whose name does not say it
    "frontier": "What a FLOP buys, architecture by architecture",
    "learning-rate": "The search for learning rates",
    "naive-objective": "Learning from all positions, or the last",
    "naive-flops": "Parameters × tokens against counted FLOPs",
    "tokenizers": "From characters to words",
    "frontier-ptb": "Words: Penn Treebank",
    "frontier-wikitext-2": "Words: WikiText-2",
    "mlp-shape": "MLP: width and depth",
    "attention-heads": "Self-attention: heads and head dimension",
    "transformer-shape": "Transformer: heads, layers, widths",
    "training": "Transformer: schedule, optimizer, batch, dropout",
    "transformer-options": "Transformer: positions and tying",
}


def title(name: str) -> str:
    """The title of a figure by the name of its file."""
    if name.startswith("curves-"):
        subject = name.removeprefix("curves-")
        corpus = DATASETS[subject].title if subject in DATASETS else subject
        return f"Loss curves: {corpus}"
    return TITLES.get(name, name.replace("-", " ").capitalize())
