"""A function of tensors as the graph of PyTorch's basic operators that it calls.

The function is computed once, with each operator noted as it is called. PyTorch's own `make_fx`
does this too, after importing all of `torch._dynamo` and sympy, which takes longer than the rest.
"""

# torch's dispatch has few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateImportUsage=false

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Container, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

DTYPE = "dtype"  # in the `meta` of a node, of the tensor that it gives


def traced(
    function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], known: Container[str]
) -> fx.GraphModule:
    """The graph of `function(*inputs)`, a sequence of tensors.

    An operator whose name is not `known` stands there as what PyTorch can compose it of. Raises
    RuntimeError where the function depends on a number in a tensor: a graph could not follow it.
    """
    tracer = _Tracer(known)
    for i, tensor in enumerate(inputs):
        tracer.note(tensor, tracer.graph.placeholder(f"input_{i}"))
    with tracer:
        outputs = function(*inputs)
    tracer.graph.output([tracer.node_of(output) for output in outputs])
    return fx.GraphModule(tracer.constants, tracer.graph)


def name_of(operator: Any) -> str:
    """What an operator of aten is called, whatever types it is for."""
    return str(operator.overloadpacket.__name__)


def without_changes(function: Callable[..., Sequence[Tensor]]) -> Callable[..., list[Tensor]]:
    """The same function of tensors, its operators changing none of them and giving no views."""

    def changed(*inputs: Tensor) -> list[Tensor]:
        given = [torch._to_functional_tensor(tensor) for tensor in inputs]
        torch._enable_functionalization(reapply_views=False)
        try:
            outputs = function(*given)
        finally:
            torch._disable_functionalization()
        for output in outputs:
            torch._sync(output)
        return [torch._from_functional_tensor(output).detach() for output in outputs]

    return changed


@functools.cache
def _decompositions() -> dict[Any, Callable[..., Any]]:
    from torch._decomp import core_aten_decompositions  # which few need

    return dict(core_aten_decompositions())


class _Tracer(TorchDispatchMode):
    def __init__(self, known: Container[str]) -> None:
        super().__init__()
        self.known = known
        self.graph = fx.Graph()
        self.constants: dict[str, Tensor] = {}
        # by id of a tensor, which is kept so that no other gets that id
        self.nodes: dict[int, tuple[Tensor, fx.Node]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch asks; to be skipped means to import torch._dynamo."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if name_of(func) not in self.known:
            compose = _decompositions().get(func) or func.decompose
            with self:
                result = compose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if torch.Tag.data_dependent_output in func.tags:
            raise RuntimeError(f"It depends on a number in a tensor, by {func}.")
        noted = tree_map_only(Tensor, self.node_of, (args, kwargs))
        node = self.graph.call_function(func, *noted)
        result = func(*args, **kwargs)
        self.note(result, node)
        return result

    def note(self, result: Any, node: fx.Node) -> None:
        """Remember of which node a result is."""
        if isinstance(result, Tensor):
            node.meta[DTYPE] = result.dtype
            self.nodes[id(result)] = (result, node)
        elif isinstance(result, list | tuple):
            for i, each in enumerate(result):
                if isinstance(each, Tensor):
                    self.note(each, self.graph.call_function(operator.getitem, (node, i)))

    def node_of(self, tensor: Tensor) -> fx.Node:
        """The node that gives a tensor; what was there before is a constant."""
        if id(tensor) not in self.nodes:
            name = f"constant_{len(self.constants)}"
            self.constants[name] = tensor.detach()
            self.note(tensor, self.graph.get_attr(name))
        return self.nodes[id(tensor)][1]
