"""What the operators of a model do to each number: the price list of the axes beside FLOPs.

FLOPs are those of matrix products. Everything else that a step computes is elementwise work,
reductions, lookups and their gradients; here stands what each kind of operator costs. Prices are in
operations: an addition, multiplication, comparison or choice is one, a division or a root four, an
exponential, a logarithm, an error function or a random number eight, about what they cost a
processor that does several numbers at once. `docs/flops.md` argues for them.

An operator reads its inputs once and writes its results once; it moves 4 bytes for each number.
Prices describe the algorithm as it is written down, one operator after another. Engines fuse
operators and leave numbers in a cache, and move less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from lm.base.registry import Registry

SIMPLE = 1
DIVISION = 4
FUNCTION = 8
BYTES = 4  # of a number, as training stores them

Per = Literal["position", "read", "prediction", "step"]


class Price(NamedTuple):
    """What one pass of an operator costs."""

    number: int  # operations for each number
    moved: int  # numbers that are read and written, for each number
    row: int = 0  # operations for each row that is reduced: a mean, a root


class Amount(NamedTuple):
    """What something computes, and how many numbers it reads and writes."""

    operations: int = 0
    moved: int = 0

    def __add__(self, other: object) -> Amount:
        """Both together."""
        assert isinstance(other, Amount)
        return Amount(self.operations + other.operations, self.moved + other.moved)


@dataclass(frozen=True)
class Operator:
    """A kind of operator, with its formula and that of its gradient."""

    name: str
    forward: Price
    backward: Price


@dataclass(frozen=True)
class Work:
    """An operator of a part of a model: how many numbers it has to do with, and how often.

    "read" is every position whose embedding is computed, those of a window before a row too.
    """

    operator: str
    numbers: int
    per: Per = "position"
    rows: int = 0  # that are reduced, to a mean for example
    pairs: bool = False  # so many for each position that is attended to


OPERATORS: Registry[Operator] = Registry(
    "operator",
    (
        # which row of a table belongs to an n-gram, for each of them: s = s + token · base^k, then
        # s · factor, s ^ (s >> 29), the remainder, and the table's offset; identities of 8 bytes
        Operator("hash", Price(6 * SIMPLE + DIVISION, 4), Price(0, 0)),
        # rows of a table side by side; the gradient is added to these rows, after a gradient of the
        # whole table was set to zero
        Operator("lookup", Price(SIMPLE, 2), Price(SIMPLE, 3)),
        Operator("zeros", Price(0, 0), Price(0, 1)),
        # the embeddings of a window side by side; the gradient adds up where windows overlap
        Operator("window", Price(0, 2), Price(SIMPLE, 3)),
        # x + y, both of which are also read elsewhere: gradients meet in one addition
        Operator("add", Price(SIMPLE, 3), Price(SIMPLE, 3)),
        # gradients of a matrix that is used twice, in one addition
        Operator("meet", Price(0, 0), Price(SIMPLE, 3)),
        # x + b, b being the same for all positions, learned or not
        Operator("bias", Price(SIMPLE, 2), Price(SIMPLE, 1)),
        Operator("constant", Price(SIMPLE, 2), Price(0, 0)),
        # x · y, and x · a for a constant a
        Operator("product", Price(SIMPLE, 3), Price(2 * SIMPLE, 5)),
        Operator("scale", Price(SIMPLE, 2), Price(SIMPLE, 2)),
        # a random number, a comparison and a product, and for the gradient the product alone
        Operator("dropout", Price(FUNCTION + 2 * SIMPLE, 3), Price(SIMPLE, 3)),
        Operator("relu", Price(SIMPLE, 2), Price(SIMPLE, 3)),
        # max(0, x)²; the gradient is g · 2 max(0, x)
        Operator("relu2", Price(2 * SIMPLE, 2), Price(3 * SIMPLE, 3)),
        # x/2 · (1 + erf(x/√2)); the gradient g · (Φ(x) + x · φ(x)) takes erf and exp anew
        Operator("gelu", Price(FUNCTION + 4 * SIMPLE, 2), Price(2 * FUNCTION + 9 * SIMPLE, 3)),
        # x · s, s = 1 / (1 + exp(-x)); the gradient g · s · (1 + x · (1 - s)) takes s anew
        Operator(
            "silu",
            Price(FUNCTION + DIVISION + 3 * SIMPLE, 2),
            Price(FUNCTION + DIVISION + 7 * SIMPLE, 3),
        ),
        # x / √(mean x² + ε); of the gradient, g less its share along x
        Operator(
            "unit_norm",
            Price(3 * SIMPLE, 2, row=2 * SIMPLE + DIVISION + DIVISION),
            Price(5 * SIMPLE, 3, row=SIMPLE),
        ),
        # the same times a learned weight, whose gradient is a sum over positions
        Operator(
            "rms_norm",
            Price(4 * SIMPLE, 2, row=2 * SIMPLE + DIVISION + DIVISION),
            Price(8 * SIMPLE, 3, row=SIMPLE),
        ),
        # the mean is taken off first; an offset is a "bias"
        Operator(
            "layer_norm",
            Price(6 * SIMPLE, 2, row=3 * SIMPLE + DIVISION + DIVISION),
            Price(10 * SIMPLE, 3, row=2 * SIMPLE),
        ),
        # each pair of numbers turned by an angle: four products and two sums
        Operator("rotate", Price(3 * SIMPLE, 2), Price(3 * SIMPLE, 2)),
        # scores divided by a root, hidden where they lie ahead
        Operator("mask", Price(2 * SIMPLE, 2), Price(2 * SIMPLE, 2)),
        # exp(x - max) over its sum; of the gradient, p · (g - Σ g · p)
        Operator(
            "softmax",
            Price(3 * SIMPLE + FUNCTION + SIMPLE, 2, row=DIVISION),
            Price(4 * SIMPLE, 3),
        ),
        # log Z - own logit; the gradient (p - one-hot) / N takes p = exp(x - log Z) anew
        Operator(
            "cross_entropy",
            Price(3 * SIMPLE + FUNCTION, 1, row=FUNCTION + 3 * SIMPLE),
            Price(FUNCTION + 2 * SIMPLE, 2, row=SIMPLE),
        ),
        # the same where (log Z)² has a price: p is multiplied by 1 + 2z log Z
        Operator(
            "penalised_cross_entropy",
            Price(3 * SIMPLE + FUNCTION, 1, row=FUNCTION + 6 * SIMPLE),
            Price(FUNCTION + 3 * SIMPLE, 2, row=3 * SIMPLE),
        ),
    ),
)
