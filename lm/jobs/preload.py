"""What the fork server loads before its first fork: torch, and all that a first step imports.

The step is only counted, on the meta device. Nothing is computed, so that torch has started no
thread yet when a worker is forked.
"""

from lm.architectures import ARCHITECTURES
from lm.training.execution import measured_step_flops
from lm.updates.config import TrainingConfig

smallest = next(iter(ARCHITECTURES.values())).config()
measured_step_flops(smallest, 2, TrainingConfig(steps=1), batch_size=1, sequence_length=1, device="cpu")
