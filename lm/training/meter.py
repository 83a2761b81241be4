"""Training FLOPs of one step as PyTorch's FlopCounterMode counts them.

Nothing is computed: on the meta device shapes alone pass through forward, backward and optimizer.
Attention runs by the plain kernel, since torch 2.13 counts 0 for the fused one on a CPU.
`lm.runs.flops` has the formula for the same quantity.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lm.architectures import ArchitectureConfig, build_model
from lm.base.flops import FlopCount
from lm.training.loop import Batch, loss_of
from lm.updates.config import TrainingConfig
from lm.updates.optimizers import build_optimizers


@lru_cache(maxsize=256)
def measured_step_flops(
    config: ArchitectureConfig,
    vocab_size: int,
    training: TrainingConfig,
    *,
    batch_size: int,
    sequence_length: int,
) -> FlopCount:
    """FLOPs of one training step on `batch_size` rows of `sequence_length` predictions.

    It is counted once for each shape of a step.
    """
    with torch.device("meta"):
        model = build_model(config, vocab_size)
        batch = Batch.empty(model, batch_size, sequence_length)
    optimizers = build_optimizers(model, training)
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as counter:
            loss = loss_of(model, batch, training.objective, training.z_loss)
            forward = counter.get_total_flops()
            loss.backward()
            both = counter.get_total_flops()
        if model.head.gradients_in_forward:  # then the forward pass is counted alone
            with FlopCounterMode(display=False) as alone, torch.no_grad():
                loss_of(model, batch, training.objective, training.z_loss)
            forward = alone.get_total_flops()
    with FlopCounterMode(display=False) as update:
        for optimizer in optimizers:
            optimizer.step()
    return FlopCount(
        forward=forward,
        backward=both - forward,
        optimizer=update.get_total_flops(),
    )


def count_flops(step: Callable[[], object]) -> int:
    """FLOPs of calling `step()`, which computes, with the plain attention kernel."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
