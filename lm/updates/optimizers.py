"""Optimizers at work: built from a training config, their rates set, gradients clipped."""

from __future__ import annotations

import math

import torch
from torch import nn

from lm.architectures import modules
from lm.architectures.shared.model import LanguageModel
from lm.updates import UPDATES
from lm.updates.config import TrainingConfig
from lm.updates.spec import AnyOptimizer

Optimizers = list[AnyOptimizer]


def build_optimizers(model: LanguageModel, training: TrainingConfig) -> Optimizers:
    """The optimizers of a run. Each parameter group carries its peak learning rate as "peak_lr"."""
    parts = modules(model.config, model.vocab_size)
    update = UPDATES[training.optimizer]
    optimizers = update.build(dict(model.named_parameters()), parts, training)
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


def clip_gradients(model: nn.Module, limit: float) -> torch.Tensor:
    """Scale all gradients so that their joint norm is at most `limit` (0: only measure it)."""
    return nn.utils.clip_grad_norm_(model.parameters(), limit or math.inf)
