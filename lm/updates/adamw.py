"""Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

from __future__ import annotations

from lm.updates.spec import Update


class AdamW(Update):
    """torch.optim.AdamW."""

    name = "adamw"
    settings = frozenset({"beta1", "beta2"})
    moments = 2

    def build(self, parameters, modules, training):
        return [adamw(parameters.values(), training, training.learning_rate)]


def adamw(parameters, training, learning_rate: float):
    """AdamW for some parameters at a peak learning rate."""
    import torch

    from lm.updates.groups import decayed_matrices

    groups = decayed_matrices(parameters, training.weight_decay)
    real = groups[0]["params"][0].device.type != "meta"  # where no kernel computes, none is fused
    return torch.optim.AdamW(
        groups,
        lr=learning_rate,
        betas=(training.beta1, training.beta2),
        fused=real,
        foreach=not real,
    )
