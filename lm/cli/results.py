"""What a run brought: the values that commands print of it."""

from __future__ import annotations

from typing import Any

from lm.cli.printing import print_json, print_values
from lm.runs import Run


def result(run: Run) -> dict[str, Any]:
    """A run as values that JSON can hold; None where there is none yet."""
    status = run.status
    return {
        "run_id": run.run_id,
        "path": str(run.path.absolute()),
        "architecture": run.config.model.architecture,
        "dataset": run.config.data.dataset,
        "n_params": run.n_params,
        "steps": status.step,
        "tokens": status.tokens,
        "flops": status.flops.total,
        "flops_forward": status.flops.forward,
        "flops_backward": status.flops.backward,
        "flops_optimizer": status.flops.optimizer,
        "flops_per_step": run.facts["flops_per_step"]["total"],
        "train_loss": status.train_loss,
        "val_loss": status.valid.loss if status.valid else None,
        "test_loss": status.test.loss if status.test else None,
        "val_bits_per_char": status.valid.bits_per_char if status.valid else None,
        "seconds": status.seconds,
    }


def print_result(run: Run, as_json: bool) -> None:
    """What `train` and `resume` print at the end."""
    (print_json if as_json else print_values)(result(run))
