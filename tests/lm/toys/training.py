"""A toy optimizer, schedule and preset."""

from __future__ import annotations

from lm.architectures.work import Amount
from lm.runs.presets import Brief, Preset, Settings
from lm.updates import Schedule, Update


class SignSGD(Update):
    """Steps of one length, towards each gradient's sign: RMSprop that remembers nothing."""

    name = "signsgd"
    settings = frozenset()

    def work(self, module):
        return Amount(2 * module.n_params, 3 * module.n_params)

    def build(self, parameters, modules, training):
        import torch

        return [
            torch.optim.RMSprop(parameters.values(), lr=0.1 * training.learning_rate, alpha=0.0)
        ]


SIGN_SGD = SignSGD()
STAIRS = Schedule(
    name="stairs", share=lambda progress, training: 1.0 if progress < 0.5 else 0.1, decays=False
)


class Thrifty(Preset):
    name = "thrifty"
    help = "Whatever the architecture's own defaults are, with batches of two rows."

    def suits(self, architecture) -> bool:
        return True

    def settings(self, brief: Brief) -> Settings:
        return Settings(model={}, training={"batch_size": 2})


THRIFTY = Thrifty()
