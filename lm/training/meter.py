"""Training FLOPs of one step as PyTorch's FlopCounterMode counts them.

On the meta device nothing is computed: shapes alone pass through forward, backward and optimizer.
Attention runs by the plain kernel, since torch 2.13 counts 0 for the fused one on a CPU.
`lm.runs.flops` has the formula for the same quantity.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

from lm.architectures import ArchitectureConfig, build_model
from lm.base.flops import Cost
from lm.training.batches import Batch, loss_of
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
    device: str = "meta",
) -> Cost:
    """FLOPs of one training step on `batch_size` rows of `sequence_length` predictions.

    It is counted once for each shape of a step. On the device "cpu" the step is computed: sooner
    done where it is small, since for the meta device torch imports its compiler, for a second.
    """
    with torch.device(device), _Unfilled():
        model = build_model(config, vocab_size)
        batch = Batch.empty(model, batch_size, sequence_length)
    optimizers = build_optimizers(model, training)  # tables have no products, however updated
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
    return Cost(forward=forward, backward=both - forward, optimizer=update.get_total_flops())


# When the counter first sees an operator, torch imports its compiler, for a second, to mark this
# method as one that is never compiled. A method that has the mark is called as it is.
_seen = inspect.unwrap(_FlopCounterMode.__torch_dispatch__)
_seen.__dynamo_disable = _seen  # pyright: ignore[reportFunctionMemberAccess]


class _Unfilled(TorchFunctionMode):
    """Draws no first weights: what is counted does not depend on them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"]
        return func(*args, **kwargs)


def count_flops(step: Callable[[], object]) -> int:
    """FLOPs of calling `step()`, which computes, with the plain attention kernel."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
