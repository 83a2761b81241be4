"""Every rule against PyTorch: what it computes and, if it can be differentiated, its gradient."""

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("jax", reason="without jax nothing is compiled")

import jax
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from lm.training.engines.compiled.lowering import CHANCE, RULES, NotLoweredError, lowered
from lm.training.engines.compiled.program import start
from lm.training.engines.compiled.tracing import traced, without_changes

aten = torch.ops.aten
WHERE = torch.tensor([[0, 2], [1, 0]])
FEW = torch.tensor([2, 0, 2])


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def positive(*shape: int) -> Tensor:
    return normal(*shape).abs() + 0.5


def whole(*shape: int) -> Tensor:
    return torch.randint(-50, 50, shape, generator=torch.Generator().manual_seed(1))


def truth(*shape: int) -> Tensor:
    return normal(*shape) > 0


# rule -> a function of tensors that PyTorch computes by that operator, and its arguments
CASES: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "add": (lambda x, y: torch.add(x, y, alpha=3), (normal(2, 3), normal(3))),
    "sub": (lambda x, y: torch.sub(x, y, alpha=2), (normal(2, 3), normal(2, 1))),
    "mul": (lambda x, y: x * y, (normal(2, 3), normal(3))),
    "div": (lambda x, y: x / y, (normal(2, 3), positive(2, 3))),
    "remainder": (lambda x: x % 7, (whole(4, 5),)),
    "pow": (lambda x: x.pow(3.0) + x.pow(0.5), (positive(2, 3),)),
    "neg": (torch.neg, (normal(2, 3),)),
    "abs": (torch.abs, (normal(2, 3),)),
    "sqrt": (torch.sqrt, (positive(2, 3),)),
    "rsqrt": (torch.rsqrt, (positive(2, 3),)),
    "sign": (torch.sign, (normal(2, 3),)),
    "exp": (torch.exp, (normal(2, 3),)),
    "log": (torch.log, (positive(2, 3),)),
    "tanh": (torch.tanh, (normal(2, 3),)),
    "sigmoid": (torch.sigmoid, (normal(2, 3),)),
    "erf": (torch.erf, (normal(2, 3),)),
    "gelu": (lambda x: F.gelu(x) + F.gelu(x, approximate="tanh"), (normal(2, 3),)),
    "relu": (torch.relu, (normal(2, 3),)),
    "maximum": (torch.maximum, (normal(2, 3), normal(2, 3) + 0.1)),
    "minimum": (torch.minimum, (normal(2, 3), normal(2, 3) + 0.1)),
    "clamp": (lambda x: x.clamp(-0.5, 0.8) + x.clamp(max=0.3), (normal(4, 5),)),
    "where": (lambda c, x: torch.where(c, x, 0.0), (truth(2, 3), normal(2, 3))),
    "eq": (lambda x: x == 3, (whole(4, 5),)),
    "ne": (lambda x: x != 3, (whole(4, 5),)),
    "lt": (lambda x: x < 3, (whole(4, 5),)),
    "le": (lambda x, y: x <= y, (whole(4, 5), whole(5))),
    "gt": (lambda x: x > 3, (whole(4, 5),)),
    "ge": (lambda x: x >= 3, (whole(4, 5),)),
    "bitwise_and": (lambda x, y: x & y, (truth(4, 5), truth(5))),
    "bitwise_xor": (lambda x: x ^ (x >> 2), (whole(4, 5),)),
    "__rshift__": (lambda x: x >> 3, (whole(4, 5),)),
    "bitwise_not": (lambda x: ~x, (truth(4, 5),)),
    "logical_and": (torch.logical_and, (truth(4, 5), truth(5))),
    "logical_not": (torch.logical_not, (truth(4, 5),)),
    "mm": (lambda x, y: x @ y, (normal(2, 3), normal(3, 4))),
    "bmm": (torch.bmm, (normal(2, 3, 4), normal(2, 4, 5))),
    "addmm": (lambda x, a, b: torch.addmm(x, a, b), (normal(4), normal(2, 3), normal(3, 4))),
    "baddbmm": (torch.baddbmm, (normal(3, 5), normal(2, 3, 4), normal(2, 4, 5))),
    "sum": (lambda x: x.sum((0, 2)) + x.sum(2, keepdim=True).sum(), (normal(2, 3, 4),)),
    "mean": (lambda x: x.mean(1) + x.mean(), (normal(2, 3),)),
    "amax": (lambda x: x.amax(1, keepdim=True), (normal(2, 3),)),
    "any": (lambda x: x.any(1, keepdim=True), (truth(4, 5),)),
    "linalg_vector_norm": (lambda x: torch.linalg.vector_norm(x), (normal(2, 3),)),
    "native_layer_norm": (
        lambda x, w, b: F.layer_norm(x, (3,), w, b) + F.layer_norm(x, (3,)),
        (normal(2, 3), normal(3), normal(3) + 1),
    ),
    "_softmax": (lambda x: x.softmax(1), (normal(2, 3),)),
    "_log_softmax": (lambda x: x.log_softmax(0), (normal(2, 3),)),
    "_softmax_backward_data": (
        lambda g, y: aten._softmax_backward_data(g, y, 1, torch.float32),
        (normal(2, 3), positive(2, 3)),
    ),
    "_log_softmax_backward_data": (
        lambda g, y: aten._log_softmax_backward_data(g, y, 1, torch.float32),
        (normal(2, 3), normal(2, 3)),
    ),
    "threshold_backward": (
        lambda g, x: aten.threshold_backward(g, x, 0.3),
        (normal(4, 5), normal(5, 4).t().contiguous()),
    ),
    "t": (lambda x: x.t(), (normal(2, 3),)),
    "permute": (lambda x: x.permute(2, 0, 1), (normal(2, 3, 4),)),
    "transpose": (lambda x: x.transpose(0, 2), (normal(2, 3, 4),)),
    "view": (lambda x: x.view(3, -1), (normal(2, 3),)),
    "_unsafe_view": (lambda x: aten._unsafe_view(x, (3, 2)), (normal(2, 3),)),
    "expand": (lambda x: x.expand(4, -1, 3), (normal(2, 1),)),
    "unsqueeze": (lambda x: x.unsqueeze(-1), (normal(2, 3),)),
    "squeeze": (lambda x: x.squeeze(1), (normal(2, 1, 3),)),
    "cat": (lambda x, y: torch.cat([x, y], 1), (normal(2, 3), normal(2, 1))),
    "stack": (lambda x, y: torch.stack([x, y], 1), (normal(2, 3), normal(2, 3) + 1)),
    "split_copy": (lambda x: aten.split_copy(x, 2, 1)[1], (normal(2, 5),)),
    "split_with_sizes": (lambda x: x.split([1, 3], 1)[1], (normal(2, 4),)),
    "unbind": (lambda x: x.unbind(1)[1], (normal(2, 3),)),
    "constant_pad_nd": (lambda x: F.pad(x, (1, -1, 2, 0), value=0.5), (normal(2, 3),)),
    "unfold": (lambda x: x.unfold(1, 3, 2), (normal(2, 7, 2),)),
    "unfold_backward": (
        lambda g: aten.unfold_backward(g, (2, 7, 2), 1, 3, 2),
        (normal(2, 3, 2, 3),),
    ),
    "slice": (lambda x: x[:, 1:-1:2], (normal(2, 7),)),
    "slice_backward": (
        lambda g: aten.slice_backward(g, (2, 7), 1, 1, 6, 2),
        (normal(2, 3),),
    ),
    "slice_scatter": (lambda x, y: x.slice_scatter(y, 1, 1, 3), (normal(2, 7), normal(2, 2))),
    "select": (lambda x: x[:, -1], (normal(2, 7),)),
    "embedding": (lambda w: F.embedding(WHERE, w), (normal(3, 4),)),
    "embedding_dense_backward": (
        lambda g: aten.embedding_dense_backward(g, WHERE, 5, -1, False),
        (normal(2, 2, 4),),
    ),
    "index": (lambda x: x[:, FEW], (normal(2, 3),)),
    "index_put": (
        lambda x, y: x.index_put((FEW,), y, accumulate=True),
        (normal(4, 2), normal(3, 2)),
    ),
    "gather": (lambda x: x.gather(1, WHERE), (normal(2, 3),)),
    "scatter": (lambda x, y: x.scatter(1, WHERE, y), (normal(2, 3), normal(2, 2))),
    "scatter_add": (lambda x, y: x.scatter_add(1, WHERE, y), (normal(2, 3), normal(2, 2))),
    "full": (lambda x: x + torch.full((2, 3), 1.5), (normal(2, 3),)),
    "zeros": (lambda x: x + torch.zeros(2, 3), (normal(2, 3),)),
    "ones": (lambda x: x + torch.ones(2, 3), (normal(2, 3),)),
    "new_zeros": (lambda x: x + x.new_zeros(2, 3), (normal(2, 3),)),
    "new_full": (lambda x: x + x.new_full((2, 3), 1.5), (normal(2, 3),)),
    "zeros_like": (lambda x: x + torch.zeros_like(x), (normal(2, 3),)),
    "ones_like": (lambda x: x + torch.ones_like(x), (normal(2, 3),)),
    "tril": (lambda x: x.tril(1), (normal(4, 5),)),
    "triu": (lambda x: x.triu(1), (normal(4, 5),)),
    "full_like": (lambda x: x + torch.full_like(x, 2), (normal(2, 3),)),
    "empty": (lambda x: x + (torch.empty(2, 3) > torch.inf), (normal(2, 3),)),
    "empty_permuted": (
        lambda x: x + (aten.empty_permuted((2, 3), (1, 0)) > torch.inf),
        (normal(2, 3),),
    ),
    "scalar_tensor": (lambda x: x + torch.scalar_tensor(1.5), (normal(2, 3),)),
    "arange": (lambda x: x + torch.arange(3) + torch.arange(1, 7, 2), (normal(2, 3),)),
    "_to_copy": (lambda x: x.bfloat16().float(), (normal(2, 3),)),
    "clone": (lambda x: x.clone(), (normal(2, 3),)),
    "copy": (lambda x: aten.copy(torch.zeros(2, 3), x), (normal(3),)),
    "detach": (lambda x: x.detach(), (normal(2, 3),)),
    "alias": (lambda x: aten.alias(x), (normal(2, 3),)),
    "getitem": (lambda x: x.unbind()[0], (normal(2, 3),)),
    "alias_copy": (lambda x: aten.alias_copy(x), (normal(2, 3),)),
    "detach_copy": (lambda x: aten.detach_copy(x), (normal(2, 3),)),
    "expand_copy": (lambda x: aten.expand_copy(x, (4, 2, 3)), (normal(2, 3),)),
    "permute_copy": (lambda x: aten.permute_copy(x, (1, 0)), (normal(2, 3),)),
    "select_copy": (lambda x: aten.select_copy(x, 1, 2), (normal(2, 3),)),
    "slice_copy": (lambda x: aten.slice_copy(x, 1, 0, 2), (normal(2, 3),)),
    "split_with_sizes_copy": (
        lambda x: aten.split_with_sizes_copy(x, [1, 2], 1)[1],
        (normal(2, 3),),
    ),
    "squeeze_copy": (lambda x: aten.squeeze_copy(x), (normal(2, 1, 3),)),
    "t_copy": (lambda x: aten.t_copy(x), (normal(2, 3),)),
    "transpose_copy": (lambda x: aten.transpose_copy(x, 0, 1), (normal(2, 3),)),
    "unbind_copy": (lambda x: aten.unbind_copy(x, 1)[2], (normal(2, 3),)),
    "unfold_copy": (lambda x: aten.unfold_copy(x, 1, 2, 1), (normal(2, 3),)),
    "unsqueeze_copy": (lambda x: aten.unsqueeze_copy(x, 0), (normal(2, 3),)),
    "view_copy": (lambda x: aten.view_copy(x, (3, 2)), (normal(2, 3),)),
}


def computed(graph: fx.GraphModule, inputs: tuple[Tensor, ...]) -> list[np.ndarray]:
    start(1)
    run = jax.jit(lowered(graph))
    key = np.array([1, 2], np.uint32)
    return [np.asarray(each) for each in run([each.numpy() for each in inputs], key)]


def operators(graph: fx.GraphModule) -> set[str]:
    calls = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    return {getattr(getattr(f, "overloadpacket", f), "__name__", "") for f in calls}


@pytest.mark.parametrize("name", [name for name in RULES if name not in CHANCE])
def test_a_rule_computes_what_torch_does(name: str) -> None:
    function, inputs = CASES[name]
    expected = function(*inputs)
    graph = traced(lambda *x: [function(*x)], inputs, RULES)
    assert name in operators(graph)
    (result,) = computed(graph, inputs)
    assert result.dtype == expected.numpy().dtype
    np.testing.assert_allclose(result, expected.numpy(), rtol=2e-6, atol=1e-6)


DIFFERENTIABLE = [
    name
    for name, (function, inputs) in CASES.items()
    if inputs[-1].is_floating_point()
    and function(*inputs).is_floating_point()
    and not name.startswith(("detach", "empty", "embedding_dense_backward", "copy"))
]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_so_does_its_gradient(name: str) -> None:
    function, inputs = CASES[name]

    def gradient(last: Tensor) -> list[Tensor]:
        last = last.detach().requires_grad_()
        y = function(*inputs[:-1], last)
        loss = (y * torch.linspace(-1, 2, y.numel()).view(y.shape)).sum()
        return list(torch.autograd.grad(loss, [last]))

    graph = traced(without_changes(gradient), inputs[-1:], RULES)
    (result,) = computed(graph, inputs[-1:])
    np.testing.assert_allclose(result, gradient(inputs[-1])[0].numpy(), rtol=1e-5, atol=2e-6)


def test_what_has_a_gradient_and_no_value_costs_nothing() -> None:
    def carried(x: Tensor) -> Tensor:
        carrier = (x * torch.inf).sum()
        return x[0] + (carrier - carrier.detach())

    def step(x: Tensor) -> list[Tensor]:
        x = x.detach().requires_grad_()
        value = carried(x)
        return [*torch.autograd.grad(value, [x]), value]

    x = normal(3)
    gradient, value = computed(traced(without_changes(step), [x], RULES), (x,))
    assert np.isinf(gradient).all()
    assert value == x[0].item()  # and no number, had it been computed


def test_chance_falls_as_often_as_it_should() -> None:
    x = torch.ones(400, 500)
    graph = traced(lambda x: [aten.bernoulli.p(x, 0.3), aten.bernoulli.p(x, 0.3)], [x], RULES)
    first, second = computed(graph, (x,))
    assert first.mean() == pytest.approx(0.3, abs=0.005)  # five standard errors
    assert (first * second).mean() == pytest.approx(0.09, abs=0.005)  # each draws for itself


def test_what_has_no_rule_is_named() -> None:
    graph = traced(lambda x: [torch.special.bessel_j0(x)], [normal(3)], RULES)
    with pytest.raises(NotLoweredError, match="special_bessel_j0"):
        lowered(graph)
