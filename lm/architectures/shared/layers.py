"""Non-linearities, and the first weights of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lm.architectures.shared.embeddings import Table
from lm.architectures.shared.model import LanguageModel


class ReLUSquared(nn.Module):
    """max(0, x)², from Primer (arXiv 2109.08668)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "relu2": ReLUSquared, "swiglu": nn.SiLU}


@torch.no_grad()
def initialize(
    model: LanguageModel,
    kind: str,
    residual_outputs: Sequence[nn.Linear] = (),
    *,
    tied: bool = False,
) -> None:
    """Set the first weights; `residual_outputs` are the maps that write to the residual stream.

    The first loss is near ln V, but for a `tied` matrix of kind "pytorch", under which each token
    predicts itself. A tied matrix is initialised as a head.
    """
    if kind == "pytorch":
        model.head.reset_parameters()
        return
    for module in model.modules():
        if isinstance(module, nn.Embedding) and not isinstance(module, Table):
            nn.init.normal_(module.weight, std=0.02 if kind == "gpt2" else 1.0)
        elif isinstance(module, nn.Linear):
            std = 0.02 if kind == "gpt2" else module.in_features**-0.5
            nn.init.normal_(module.weight, std=std)
            # torch's types leave out that a map may have no bias
            if module.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
                nn.init.zeros_(module.bias)
    if kind == "gpt2":
        for layer in residual_outputs:
            nn.init.normal_(layer.weight, std=0.02 / math.sqrt(len(residual_outputs)))
        return
    for layer in residual_outputs:
        nn.init.zeros_(layer.weight)
    for parameter in model.head.parameters():
        nn.init.zeros_(parameter)
    if tied:
        nn.init.normal_(model.head.weight, std=0.02)
