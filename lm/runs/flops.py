"""Training FLOPs of a model, by formula, module by module.

Convention: one multiply-add is 2 FLOPs; matrix products of forward, backward and optimizer
count, nothing else does (embedding lookups, softmax, norms, elementwise work). Attention is
counted dense, T x T, without a discount for causality. `lm.training.meter` measures the same
quantity with PyTorch's FlopCounterMode; the two agree exactly.
"""

from __future__ import annotations

from lm.architectures import ArchitectureConfig, modules
from lm.base.flops import Cost
from lm.updates import UPDATES


def step_flops_by_module(
    config: ArchitectureConfig,
    vocab_size: int,
    *,
    batch_size: int,
    sequence_length: int,
    optimizer: str = "adamw",
    objective: str = "all_positions",
) -> dict[str, Cost]:
    """FLOPs of one optimizer update on `batch_size` rows of `sequence_length` predictions.

    With objective "last_position" the head runs on the last position of each row alone. The head
    of a two-level softmax costs the clusters and, for each prediction, the tokens of one cluster.
    """
    positions = batch_size * sequence_length
    predictions = batch_size if objective == "last_position" else positions
    counts: dict[str, Cost] = {}
    for module in modules(config, vocab_size):
        forward = 0
        if module.weight:
            d_out, d_in = module.weight
            n = predictions if module.output else positions + batch_size * module.before
            forward = 2 * n * d_out * d_in
        elif module.attention_width:  # queries times keys, then weights times values
            forward = 4 * positions * sequence_length * module.attention_width
        update = UPDATES[optimizer].flops(module)
        # backward: one product for the gradient of each factor; embeddings are learned, so the
        # first layer's input has a gradient too
        counts[module.name] = Cost(forward=forward, backward=2 * forward, optimizer=update)
    return counts


def step_flops(
    config: ArchitectureConfig,
    vocab_size: int,
    *,
    batch_size: int,
    sequence_length: int,
    optimizer: str = "adamw",
    objective: str = "all_positions",
) -> Cost:
    """FLOPs of one optimizer update: the sum of `step_flops_by_module`."""
    counts = step_flops_by_module(
        config,
        vocab_size,
        batch_size=batch_size,
        sequence_length=sequence_length,
        optimizer=optimizer,
        objective=objective,
    )
    return sum(counts.values(), Cost())
