"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from lm.updates.spec import Update


class SGD(Update):
    """torch.optim.SGD."""

    name = "sgd"
    settings = frozenset({"momentum"})
    moments = 1

    def build(self, parameters, modules, training):
        import torch

        from lm.updates.groups import decayed_matrices

        groups = decayed_matrices(parameters.values(), training.weight_decay)
        return [torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum)]
