"""Optimizers at work: built from a training config, their rates set, gradients clipped."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor, nn

from lm.architectures import modules
from lm.architectures.shared.embeddings import Table
from lm.architectures.shared.model import LanguageModel
from lm.updates import UPDATES
from lm.updates.config import TrainingConfig
from lm.updates.spec import AnyOptimizer
from lm.updates.table_rule import TouchedRows

Optimizers = list[AnyOptimizer]


def build_optimizers(
    model: LanguageModel, training: TrainingConfig, n_steps: int | None = None
) -> Optimizers:
    """The optimizers of a run. Each parameter group carries its peak learning rate as "peak_lr".

    `n_steps`, of the whole training, is needed for `table_update="touched_rows"`. On an
    accelerator that is not followed: there it costs little to update every row.
    """
    parts = modules(model.config, model.vocab_size)
    update = UPDATES[training.optimizer]
    tables: list[Table] = []
    if training.table_update == "touched_rows" and "table_update" in update.settings and n_steps:
        tables = [module for module in model.modules() if isinstance(module, Table)]
        tables = [table for table in tables if table.weight.device.type == "cpu"]
    apart = {table.weight for table in tables}
    rest = {name: p for name, p in model.named_parameters() if p not in apart}
    optimizers = update.build(rest, parts, training)
    peak = optimizers[-1].param_groups[0]["lr"]  # AdamW's
    optimizers += [TouchedRows(table, training, peak, n_steps or 0) for table in tables]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_learning_rate(optimizers: Optimizers, scale: float) -> float:
    """Scale every group's peak; returns the first group's rate, the one that is recorded."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * scale
    return optimizers[0].param_groups[0]["lr"]


def clip_gradients(tensors: Iterable[Tensor], limit: float) -> Tensor:
    """Scale all gradients so that their joint norm is at most `limit` (0: only measure it)."""
    return nn.utils.clip_grad_norm_(tensors, limit or math.inf)
