"""Optimizers and learning-rate schedules, from a training config."""

from __future__ import annotations

import math

import torch
from torch import nn

from lm.architectures.modules import modules
from lm.architectures.shared.models import LanguageModel
from lm.updates.config import TrainingConfig

Optimizers = list[torch.optim.Optimizer]


def build_optimizers(model: LanguageModel, training: TrainingConfig) -> Optimizers:
    """One optimizer, or under Muon two: its hidden matrices, and AdamW for all else.

    Matrices are decayed, vectors (biases, norms) are not. Each parameter group carries its
    peak learning rate as "peak_lr".
    """
    named = dict(model.named_parameters())
    hidden: set[str] = set()
    if training.optimizer == "muon":
        parts = modules(model.config, model.vocab_size)
        hidden = {f"{part.name}.weight" for part in parts if part.hidden}
    rest = [parameter for name, parameter in named.items() if name not in hidden]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "sgd":
        optimizers: Optimizers = [
            torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum)
        ]
    else:
        muon = training.optimizer == "muon"
        real = rest[0].device.type != "meta"  # where no kernel computes, and none is fused
        optimizers = [
            torch.optim.AdamW(
                groups,
                lr=training.adamw_learning_rate if muon else training.learning_rate,
                betas=(training.beta1, training.beta2),
                fused=real,
                foreach=not real,
            )
        ]
        if muon:
            optimizers.insert(
                0,
                torch.optim.Muon(
                    [named[name] for name in named if name in hidden],
                    lr=training.learning_rate,
                    momentum=training.momentum,
                    weight_decay=training.weight_decay,
                ),
            )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def lr_scale(training: TrainingConfig, step: int, n_steps: int) -> float:
    """Share of the peak learning rate at step 1, 2, ..., n_steps."""
    warmup = round(training.warmup_fraction * n_steps)
    if step <= warmup:
        return step / (warmup + 1)
    final = training.final_lr_fraction
    if training.schedule == "constant":
        return 1.0
    start = warmup
    if training.schedule == "wsd":
        start = max(warmup, n_steps - round(training.decay_fraction * n_steps))
        if step <= start:
            return 1.0
    # the last step still learns: progress reaches 1 one step after it
    progress = (step - start) / (n_steps - start + 1)
    if training.schedule == "cosine":
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - (1 - final) * progress


def set_learning_rate(optimizers: Optimizers, scale: float) -> float:
    """Scale every group's peak; returns the first group's rate, the one that is recorded."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * scale
    return optimizers[0].param_groups[0]["lr"]


def clip_gradients(model: nn.Module, limit: float) -> torch.Tensor:
    """Scale all gradients so that their joint norm is at most `limit` (0: only measure it)."""
    return nn.utils.clip_grad_norm_(model.parameters(), limit or math.inf)
