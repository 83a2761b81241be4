"""Training FLOPs of one step as PyTorch's FlopCounterMode sees them, on the meta device.

Nothing is computed: shapes alone are propagated through forward, backward and optimizer, with
the math attention kernel forced (on CPU, torch 2.13 counts 0 for its fused one). `lm.runs.flops`
holds the formula for the same quantity.
"""

from __future__ import annotations

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
    """FLOPs of one whole training step on `batch_size` rows of `sequence_length` predictions.

    Once per shape, on an uncompiled model; multiply by the steps of that shape.
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
        if model.head.gradients_in_forward:
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


def count_flops(step) -> int:
    """FLOPs of calling `step()` for real, with the math attention kernel."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
