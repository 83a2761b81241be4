"""Matrix products of linear maps, of attention and of their gradients, by the faster library.

PyTorch leaves products of float32 to MKL, which on processors that are not Intel's uses half of
the vector unit. oneDNN, which PyTorch also carries, uses all of it, and rounds alike; PyTorch
hands it float32 only if it may round to bfloat16, which it does where the processor has matrix
tiles (AMX) and nowhere else. So it is asked where there are none, and what it answers is checked
once. `rounded_to(precision)` is for products of bfloat16 numbers, summed in float32.
"""

# torch's autograd.Function has no types, and what is asked of its kernels has no public name
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportIncompatibleMethodOverride=false, reportPrivateUsage=false
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

LARGE_PRODUCT = 2**21  # multiply-adds; below, the call costs more than it saves
MOST_SCORES = 2**24  # 64 MB that each block's attention keeps for its gradient

# torch sets it on import, so that its types lack it
_settings: Any = torch.backends.mkldnn.matmul  # pyright: ignore[reportAttributeAccessIssue]
_bfloat16: ContextVar[bool] = ContextVar("bfloat16", default=False)


class Linear(nn.Linear):
    """nn.Linear, its products by whichever way is fastest."""

    def __init__(self, d_in: int, d_out: int, bias: bool = True) -> None:
        super().__init__(d_in, d_out, bias)

    def forward(self, input: Tensor) -> Tensor:
        x = input  # (..., d_in)
        small = x.numel() * self.out_features < LARGE_PRODUCT
        if small or x.device.type != "cpu":
            return F.linear(x, self.weight, self.bias)
        if _bfloat16.get():
            return _BFloat16Linear.apply(x, self.weight, self.bias)
        if not onednn_is_exact():
            return F.linear(x, self.weight, self.bias)
        if not torch.is_grad_enabled():
            with fast_products():
                return F.linear(x, self.weight, self.bias)
        return _FastLinear.apply(x, self.weight, self.bias)


@contextlib.contextmanager
def rounded_to(precision: str, device: torch.device) -> Generator[None, None, None]:
    """Within, large linear maps multiply numbers of `precision`; so do their gradients, later."""
    if precision == "float32":
        yield
    elif device.type == "cpu":
        token = _bfloat16.set(True)
        try:
            yield
        finally:
            _bfloat16.reset(token)
    else:
        with torch.autocast(device.type, torch.bfloat16):
            yield


@contextlib.contextmanager
def fast_products() -> Generator[None, None, None]:
    """Within, products of float32 matrices go to oneDNN where it is exact, small ones slowly."""
    with _asking_onednn() if onednn_is_exact() else contextlib.nullcontext():
        yield


def causal_attention(queries: Tensor, keys: Tensor, values: Tensor, dropout: float) -> Tensor:
    """softmax(queries keysᵀ / √d_head) values, all (B, H, T, d_head): no later position is seen.

    PyTorch's fused kernel keeps no scores but multiplies by MKL; where there are few enough,
    explicit products take half to three quarters of its time.
    """
    rows, heads, length, d_head = queries.shape
    scores = rows * heads * length * length
    few = scores * d_head >= LARGE_PRODUCT and scores <= MOST_SCORES and onednn_is_exact()
    if few and not dropout and queries.device.type == "cpu":
        return attention_by_products(queries, keys, values)
    return F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout, is_causal=True)


def attention_by_products(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The same without dropout, by explicit products and their gradients."""
    return _FastAttention.apply(queries, keys, values)


@cache
def onednn_is_exact() -> bool:
    """Whether oneDNN is worth asking here, and rounds products to float32 and to nothing less."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":  # narrower, MKL is as fast
        return False
    if not torch.backends.mkldnn.is_available() or torch.cpu._is_amx_tile_supported():
        return False
    with _disable_current_modes():  # neither faked nor counted
        random = torch.Generator().manual_seed(0)
        a, b = (torch.rand(256, 256, generator=random) for _ in range(2))
        exact = a.double() @ b.double()
        with _asking_onednn():
            product = a @ b
        return bool((product / exact - 1).abs().max() < 1e-5)  # to bfloat16: 1e-4 and more


@contextlib.contextmanager
def _asking_onednn() -> Generator[None, None, None]:
    before = _settings.fp32_precision
    _settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        _settings.fp32_precision = before


class _FastLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        with fast_products():
            return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.flatten(0, -2)
        rounded, by_x = gradient.to(weight.dtype), None
        with fast_products():
            if ctx.needs_input_grad[0]:
                by_x = (rounded @ weight).to(gradient.dtype).view_as(x)
            by_weight = (rounded.T @ x.flatten(0, -2)).to(gradient.dtype)
        return by_x, by_weight, gradient.sum(0) if ctx.has_bias else None


class _BFloat16Linear(_FastLinear):
    """float32 in and out; between, factors and results are rounded to bfloat16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        y = F.linear(x, weight).float()
        return y if bias is None else y.add_(bias)


class _FastAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        shape, length = queries.shape, queries.shape[2]
        q, k, v = (x.reshape(-1, *shape[2:]) for x in (queries, keys, values))  # (B H, T, d_head)
        q = q / math.sqrt(shape[3])
        hidden = q.new_full((length, length), -math.inf).triu(1)
        with fast_products():
            weights = torch.baddbmm(hidden, q, k.mT).softmax(-1)  # (B H, T, T)
            mixed = torch.bmm(weights, v)
        ctx.save_for_backward(q, k, v, weights)
        return mixed.view(shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, weights = ctx.saved_tensors
        by_mixed = gradient.reshape(q.shape)
        with fast_products():
            by_values = torch.bmm(weights.mT, by_mixed)
            by_weights = torch.bmm(by_mixed, v.mT)
            by_scores = torch._softmax_backward_data(by_weights, weights, -1, weights.dtype)
            by_queries = torch.bmm(by_scores, k) / math.sqrt(q.shape[2])
            by_keys = torch.bmm(by_scores.mT, q)
        shape = gradient.shape
        return by_queries.view(shape), by_keys.view(shape), by_values.view(shape)
