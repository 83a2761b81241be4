"""Muon: momentum whose matrices are orthogonalised (kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lm.architectures import Module
from lm.architectures.work import SIMPLE, Amount
from lm.updates.adamw import adamw, adamw_work
from lm.updates.spec import AnyOptimizer, Update

if TYPE_CHECKING:  # torch costs more than a second
    from torch import nn

    from lm.updates.config import TrainingConfig

NEWTON_SCHULZ_STEPS = 5  # torch.optim.Muon's default


class Muon(Update):
    """torch's Muon for the matrices between layers, AdamW for everything else."""

    name = "muon"
    settings = frozenset(
        {"weight_decay", "momentum", "adamw_learning_rate", "beta1", "beta2", "table_update"}
    )

    def flops(self, module: Module) -> int:
        if not (module.hidden and module.weight):
            return 0
        m, n = min(module.weight), max(module.weight)
        return NEWTON_SCHULZ_STEPS * (4 * m * m * n + 2 * m * m * m)

    def work(self, module: Module) -> Amount:
        """Of a matrix m × n, m ≤ n, beside its products: momentum, and Nesterov's look ahead.

        Then it is divided by its norm. In each step of X ← aX + (bA + cA²)X, A = XXᵀ, matrices are
        read for three products, and combined. The weight is decayed and moved last.
        """
        if not (module.hidden and module.weight):
            return adamw_work(module.n_params)
        m, n = min(module.weight), max(module.weight)
        around = Amount((3 + 3 + 3 + 3) * SIMPLE * m * n, (3 + 3 + 3 + 3) * m * n)
        products = Amount(0, NEWTON_SCHULZ_STEPS * (3 * m * n + 4 * m * m))
        combined = Amount(3 * SIMPLE * m * m + 2 * SIMPLE * m * n, 3 * m * m + 3 * m * n)
        combined = Amount(*(NEWTON_SCHULZ_STEPS * each for each in combined))
        offset = adamw_work(module.n_params - m * n)
        return around + products + combined + offset

    def refuses(self, modules: Sequence[Module]) -> str | None:
        if any(module.hidden for module in modules):
            return None
        return "which has no hidden matrix for Muon to orthogonalise"

    def build(
        self,
        parameters: dict[str, nn.Parameter],
        modules: Sequence[Module],
        training: TrainingConfig,
    ) -> list[AnyOptimizer]:
        from lm.updates.muon_rule import MuonOptimizer

        hidden = {f"{module.name}.weight" for module in modules if module.hidden}
        rest = [parameter for name, parameter in parameters.items() if name not in hidden]
        matrices = [parameter for name, parameter in parameters.items() if name in hidden]
        muon = MuonOptimizer(
            [{"params": matrices, "weight_decay": training.weight_decay}],
            training.learning_rate,
            training.momentum,
        )
        return [muon, adamw(rest, training, training.adamw_learning_rate)]
