"""PyTorch's operators in jax: what a traced graph of them computes, as a function of jax arrays.

A rule has the name and the arguments of an operator of PyTorch's aten library, and returns what
that operator does. Results take the type that PyTorch gave them. An operator without a rule raises
`NotLoweredError`, and the run trains eagerly.
"""

# jax and torch.fx have few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeArgument=false, reportUnknownLambdaType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import fx

from lm.training.engines.compiled.tracing import DTYPE, name_of

Array = Any  # of jax
Rule = Callable[..., Any]

DTYPES = {
    torch.float32: jnp.float32,
    torch.float64: jnp.float64,
    torch.bfloat16: jnp.bfloat16,
    torch.int64: jnp.int64,
    torch.int32: jnp.int32,
    torch.bool: jnp.bool_,
}


class NotLoweredError(NotImplementedError):
    """A graph has an operator that no rule is there for."""


def lowered(graph: fx.GraphModule) -> Callable[[Sequence[Array], Array], list[Array]]:
    """The function of jax arrays that a traced graph is, of its inputs and a key for chance.

    Raises `NotLoweredError`, naming an operator.
    """
    for node in graph.graph.nodes:
        if node.op == "call_function" and _name(node) not in RULES:
            raise NotLoweredError(f"No rule is there for the operator {node.target}.")

    def compute(inputs: Sequence[Array], key: Array) -> list[Array]:
        values: dict[fx.Node, Any] = {}
        given = iter(inputs)
        for number, node in enumerate(graph.graph.nodes):
            if node.op == "placeholder":
                values[node] = next(given)
            elif node.op == "get_attr":
                constant = getattr(graph, str(node.target)).detach()
                values[node] = jnp.asarray(constant.numpy())
            elif node.op == "output":
                return list(fx.map_arg(node.args[0], values.__getitem__))
            else:
                args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
                name = _name(node)
                if name in CHANCE:
                    kwargs = {**kwargs, "key": jax.random.fold_in(key, number)}
                values[node] = _typed(RULES[name](*args, **kwargs), node.meta.get(DTYPE))
        raise AssertionError("A graph ends with its output.")

    return compute


def _name(node: fx.Node) -> str:
    target: Any = node.target
    return "getitem" if target is operator.getitem else name_of(target)


def _typed(result: Any, dtype: torch.dtype | None) -> Any:
    """A tensor in the type that PyTorch gave it; of several, each when it is taken."""
    if dtype is None or result.dtype == DTYPES[dtype]:
        return result
    return result.astype(DTYPES[dtype])


# --- rules ----------------------------------------------------------------------------------------


def _axes(dim: Any) -> tuple[int, ...] | None:
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return None
    return tuple(dim) if isinstance(dim, list | tuple) else (dim,)


def _reduce(reduction: Callable[..., Array]) -> Rule:
    def rule(x: Array, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
        return reduction(x, axis=_axes(dim), keepdims=keepdim)

    return rule


def _norm(x: Array, ord: float = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Array:
    if ord != 2:
        raise NotLoweredError(f"The norm of order {ord} has no rule.")
    return jnp.sqrt(jnp.sum(jnp.square(x), axis=_axes(dim), keepdims=keepdim))


def _layer_norm(
    x: Array, shape: Sequence[int], weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    mean = jnp.mean(x, axes, keepdims=True)
    scale = jax.lax.rsqrt(jnp.mean(jnp.square(x - mean), axes, keepdims=True) + eps)
    y = (x - mean) * scale
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias), mean, scale


def _slices(x: Array, dim: int, piece: Any) -> tuple:
    """The index that takes `piece` of one dimension, and all of the others."""
    index: list[Any] = [slice(None)] * x.ndim
    index[dim] = piece
    return tuple(index)


def _range(
    x: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> tuple:
    return _slices(x, dim, slice(start, None if end is None or end > x.shape[dim] else end, step))


def _add(x: Array, y: Array, *, alpha: float = 1) -> Array:
    return x + (y if alpha == 1 else y * alpha)


def _sub(x: Array, y: Array, *, alpha: float = 1) -> Array:
    if x is y and alpha == 1:  # of what has a gradient and no value; XLA would compute both
        return jnp.zeros_like(x)
    return x - (y if alpha == 1 else y * alpha)


def _pow(x: Array, exponent: Any) -> Array:
    whole = isinstance(exponent, float) and exponent.is_integer()
    return jnp.power(x, int(exponent) if whole else exponent)


def _expand(x: Array, size: Sequence[int], *, implicit: bool = False) -> Array:
    known = [1] * (len(size) - x.ndim) + list(x.shape)
    return jnp.broadcast_to(x, [own if n == -1 else n for own, n in zip(known, size, strict=True)])


def _squeeze(x: Array, dim: Any = None) -> Array:
    axes = _axes(dim)
    if axes is None:
        return jnp.squeeze(x)
    return jnp.squeeze(x, tuple(axis for axis in axes if x.shape[axis] == 1))


def _unbind(x: Array, dim: int = 0) -> list[Array]:
    return [jnp.squeeze(each, dim) for each in jnp.split(x, x.shape[dim], dim)]


def _pad(x: Array, pad: Sequence[int], value: float = 0.0) -> Array:
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]  # the last dimension first
    pairs = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    kept = x[
        tuple(slice(max(0, -a), n + min(0, b)) for (a, b), n in zip(pairs, x.shape, strict=True))
    ]
    return jnp.pad(kept, [(max(0, a), max(0, b)) for a, b in pairs], constant_values=value)


def _embedding_backward(gradient: Array, indices: Array, rows: int, *_: Any) -> Array:
    width = gradient.shape[-1]
    total = jnp.zeros((rows, width), gradient.dtype)
    return total.at[indices.reshape(-1)].add(gradient.reshape(-1, width))


def _unfold_backward(
    gradient: Array, sizes: Sequence[int], dim: int, size: int, step: int
) -> Array:
    dim %= len(sizes)
    starts = jnp.arange(0, sizes[dim] - size + 1, step)
    places = starts[:, None] + jnp.arange(size)
    total = jnp.zeros(sizes, gradient.dtype)
    return total.at[_slices(total, dim, places)].add(jnp.moveaxis(gradient, -1, dim + 1))


def _places(indices: Sequence[Array | None]) -> tuple:
    return tuple(slice(None) if index is None else index for index in indices)


def _index_put(
    x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False
) -> Array:
    place = x.at[_places(indices)]
    return place.add(values) if accumulate else place.set(values)


def _along(x: Array, dim: int, index: Array) -> Any:
    """The places of `x` that an index along one dimension names, to be written to."""
    grid = list(jnp.meshgrid(*[jnp.arange(n) for n in index.shape], indexing="ij"))
    grid[dim] = index
    return x.at[tuple(grid)]


def _unfold(x: Array, dim: int, size: int, step: int) -> Array:
    dim %= x.ndim
    starts = jnp.arange(0, x.shape[dim] - size + 1, step)
    pieces = jnp.take(x, starts[:, None] + jnp.arange(size), axis=dim, mode="clip")
    return jnp.moveaxis(pieces, dim + 1, -1)  # lookups: XLA puts slices together slowly


def _softmax_backward(gradient: Array, y: Array, dim: int, dtype: Any) -> Array:
    by_y = gradient * y
    return by_y - y * jnp.sum(by_y, dim, keepdims=True)


def _filled(shape: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Array:
    return jnp.full(shape, value, DTYPES[dtype or torch.float32])


def _dtype(x: Array, dtype: Any) -> Any:
    return DTYPES[dtype] if dtype else x.dtype


def _arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, **_: Any) -> Array:
    bounds = (0, start) if end is None else (start, end)
    return jnp.arange(*bounds, step, dtype=DTYPES[dtype or torch.int64])


RULES: dict[str, Rule] = {
    # arithmetic
    "add": _add,
    "sub": _sub,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "remainder": jnp.remainder,
    "pow": _pow,
    "neg": jnp.negative,
    "abs": jnp.abs,
    "sqrt": jnp.sqrt,
    "rsqrt": jax.lax.rsqrt,
    "sign": jnp.sign,
    "exp": jnp.exp,
    "log": jnp.log,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "erf": jax.lax.erf,
    "gelu": lambda x, approximate="none": jax.nn.gelu(x, approximate=approximate == "tanh"),
    "relu": lambda x: jnp.maximum(x, 0),
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "clamp": lambda x, min=None, max=None: jnp.clip(x, min, max),
    "where": jnp.where,
    # comparisons and bits
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
    "bitwise_and": lambda x, y: x & y,
    "bitwise_xor": lambda x, y: x ^ y,
    "bitwise_not": lambda x: ~x,
    "logical_and": jnp.logical_and,
    "logical_not": jnp.logical_not,
    "__rshift__": jnp.right_shift,
    # products of matrices
    "mm": lambda x, y: x @ y,
    "bmm": lambda x, y: x @ y,
    "addmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "baddbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    # reductions
    "sum": _reduce(jnp.sum),
    "mean": _reduce(jnp.mean),
    "amax": _reduce(jnp.max),
    "any": _reduce(jnp.any),
    "linalg_vector_norm": _norm,
    "native_layer_norm": _layer_norm,
    "_softmax": lambda x, dim, _: jax.nn.softmax(x, dim),
    "_log_softmax": lambda x, dim, _: jax.nn.log_softmax(x, dim),
    "_softmax_backward_data": _softmax_backward,
    "_log_softmax_backward_data": lambda g, y, dim, _: g - jnp.exp(y) * g.sum(dim, keepdims=True),
    "threshold_backward": lambda gradient, x, least: jnp.where(x > least, gradient, 0),
    # shapes
    "t": lambda x: x.T,
    "permute": jnp.transpose,
    "transpose": jnp.swapaxes,
    "view": lambda x, size: x.reshape(size),
    "_unsafe_view": lambda x, size: x.reshape(size),
    "expand": _expand,
    "unsqueeze": jnp.expand_dims,
    "squeeze": _squeeze,
    "cat": lambda tensors, dim=0: jnp.concatenate(tensors, dim),
    "stack": lambda tensors, dim=0: jnp.stack(tensors, dim),
    "split_copy": lambda x, n, dim=0: jnp.split(x, [*range(n, x.shape[dim], n)], dim),
    "split_with_sizes": lambda x, sizes, dim=0: jnp.split(x, np.cumsum(sizes)[:-1].tolist(), dim),
    "unbind": _unbind,
    "constant_pad_nd": _pad,
    "unfold": _unfold,
    "unfold_backward": _unfold_backward,
    # parts of a tensor
    "slice": lambda x, *part: x[_range(x, *part)],
    "slice_scatter": lambda x, values, *part: x.at[_range(x, *part)].set(values),
    "slice_backward": lambda gradient, sizes, *part: RULES["slice_scatter"](
        jnp.zeros(sizes, gradient.dtype), gradient, *part
    ),
    "select": lambda x, dim, index: x[_slices(x, dim, index)],
    "embedding": lambda weight, indices, *_: weight[indices],
    "embedding_dense_backward": _embedding_backward,
    "index": lambda x, indices: x[_places(indices)],
    "index_put": _index_put,
    "gather": lambda x, dim, index: jnp.take_along_axis(x, index, dim),
    "scatter": lambda x, dim, index, values: _along(x, dim, index).set(values),
    "scatter_add": lambda x, dim, index, values: _along(x, dim, index).add(values),
    # new tensors
    "full": _filled,
    "empty": lambda size, **options: _filled(size, 0, **options),
    "empty_permuted": lambda size, order, **options: _filled(size, 0, **options),
    "zeros": lambda size, **options: _filled(size, 0, **options),
    "ones": lambda size, **options: _filled(size, 1, **options),
    "new_zeros": lambda x, size, dtype=None, **_: jnp.zeros(size, _dtype(x, dtype)),
    "new_full": lambda x, size, value, dtype=None, **_: jnp.full(size, value, _dtype(x, dtype)),
    "full_like": lambda x, value, dtype=None, **_: jnp.full(x.shape, value, _dtype(x, dtype)),
    "zeros_like": lambda x, dtype=None, **_: jnp.zeros(x.shape, _dtype(x, dtype)),
    "ones_like": lambda x, dtype=None, **_: jnp.ones(x.shape, _dtype(x, dtype)),
    "tril": jnp.tril,
    "triu": jnp.triu,
    "scalar_tensor": lambda value, **options: _filled((), value, **options),
    "arange": _arange,
    # the same values
    "_to_copy": lambda x, dtype=None, **_: x.astype(_dtype(x, dtype)),
    "clone": lambda x, **_: x,
    "copy": lambda x, values, non_blocking=False: jnp.broadcast_to(values, x.shape),
    "detach": lambda x: x,
    "alias": lambda x: x,
    "getitem": operator.getitem,
    # chance
    "bernoulli": lambda x, p, generator=None, *, key: jax.random.bernoulli(key, p, x.shape),
}
RULES |= {
    f"{name}_copy": RULES[name]
    for name in (
        *("alias", "detach", "expand", "permute", "select", "slice", "split_with_sizes", "squeeze"),
        *("t", "transpose", "unbind", "unfold", "unsqueeze", "view"),
    )
}
CHANCE = {"bernoulli"}  # rules that are given a key for chance, one of its own for each
