"""What training costs, in three parts: FLOPs, and what else it computes, reads and writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """FLOPs, operations or bytes of training, in its three parts."""

    forward: int = 0
    backward: int = 0
    optimizer: int = 0

    @property
    def total(self) -> int:
        return self.forward + self.backward + self.optimizer

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            forward=self.forward + other.forward,
            backward=self.backward + other.backward,
            optimizer=self.optimizer + other.optimizer,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(
            forward=self.forward * times,
            backward=self.backward * times,
            optimizer=self.optimizer * times,
        )

    def to_dict(self) -> dict[str, int]:
        return {
            "forward": self.forward,
            "backward": self.backward,
            "optimizer": self.optimizer,
            "total": self.total,
        }


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A training's operations and bytes: see `lm.runs.scale`."""

    operations: Cost
    bytes: Cost

    def __add__(self, other: Scale) -> Scale:
        operations = self.operations + other.operations
        return Scale(operations=operations, bytes=self.bytes + other.bytes)

    def __mul__(self, times: int) -> Scale:
        return Scale(operations=self.operations * times, bytes=self.bytes * times)


def flops_text(flops: float, digits: int = 3) -> str:
    """FLOPs as the command line reads a budget, to so many digits: 1e12, 2.5e11."""
    if not flops:
        return "0"
    mantissa, _, exponent = f"{flops:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"
