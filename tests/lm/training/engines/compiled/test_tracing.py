"""A trace: what a function computes, without changes in place, and without torch's compiler."""

import subprocess
import sys

import pytest

pytest.importorskip("jax", reason="without jax nothing is compiled")

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lm.training.engines.compiled.lowering import RULES
from lm.training.engines.compiled.tracing import name_of, traced, without_changes
from tests.lm.training.engines.compiled.test_lowering import computed, normal, operators


def test_what_is_changed_in_place_is_computed_anew() -> None:
    def changing(x: Tensor, y: Tensor) -> list[Tensor]:
        x = x.clone()
        x[0] += y
        row = x[1]
        row.mul_(2)  # of which x is a part
        return [x, row + x[0]]

    inputs = [normal(2, 3), normal(3)]
    graph = traced(without_changes(changing), inputs, RULES)
    assert not any(
        node.target._schema.is_mutable
        for node in graph.graph.nodes
        if node.op == "call_function" and hasattr(node.target, "_schema")
    )
    for ours, theirs in zip(computed(graph, (*inputs,)), changing(*inputs), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_an_operator_that_is_not_known_stands_as_what_it_is_composed_of() -> None:
    x = normal(4)
    whole = traced(lambda x: [F.silu(x)], [x], {"silu"})
    assert operators(whole) == {"silu"}
    parts = traced(lambda x: [F.silu(x)], [x], RULES)
    assert "silu" not in operators(parts)
    (result,) = computed(parts, (x,))
    np.testing.assert_allclose(result, F.silu(x).numpy(), rtol=1e-5)


def test_tensors_from_elsewhere_are_constants() -> None:
    elsewhere = normal(3)
    graph = traced(lambda x: [x + elsewhere], [normal(3)], RULES)
    (result,) = computed(graph, (torch.zeros(3),))
    np.testing.assert_array_equal(result, elsewhere.numpy())


@pytest.mark.parametrize("depends", [lambda x: x * x.sum().item(), lambda x: x if x[0] else -x])
def test_a_function_of_numbers_in_tensors_has_no_graph(depends) -> None:
    with pytest.raises(RuntimeError, match="number in a tensor"):
        traced(without_changes(lambda x: [depends(x)]), [normal(3)], RULES)


def test_operators_have_a_name_whatever_their_types() -> None:
    assert name_of(torch.ops.aten.add.Tensor) == name_of(torch.ops.aten.add.Scalar) == "add"


def test_torchs_compiler_is_not_imported() -> None:
    """It takes a second, in which somebody waits for a first model."""
    script = """
import sys
from tests.lm.training.engines.compiled.test_steps import KINDS, begin
for kind in KINDS:
    changed = {"optimizer": "adamw"} if kind == "transformer" else {}  # Muon's formula is torch's
    begin(kind, **changed).compiled_step.trace()
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.stdout == "[]\n", told.stderr
