"""Linear maps and attention are PyTorch's to rounding, whichever library multiplies."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lm.architectures import build_model
from lm.architectures.shared import products
from lm.architectures.shared.products import Linear, causal_attention, fast_products, rounded_to
from lm.runs.flops import step_flops
from lm.training.batches import Batches, loss_of
from lm.training.meter import count_flops, measured_step_flops
from lm.updates.config import TrainingConfig
from tests.lm.architectures.test_models import SMALL, every_architecture

CPU = torch.device("cpu")
EVERY_LIBRARY = [True, False] if products.onednn_is_exact() else [False]


@pytest.fixture(autouse=True)
def every_product_is_large(monkeypatch):
    monkeypatch.setattr(products, "LARGE_PRODUCT", 0)


def precision_of_products() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision


def results(layer: nn.Module, x: torch.Tensor, precision: str = "float32") -> list[torch.Tensor]:
    """Output and gradients of a layer."""
    x = x.clone().requires_grad_()
    with rounded_to(precision, CPU):
        y = layer(x)
    by_y = torch.randn(y.shape, generator=torch.Generator().manual_seed(7)).to(y)
    return [y, *torch.autograd.grad(y, [x, *layer.parameters()], by_y)]


def a_layer(bias: bool) -> tuple[Linear, torch.Tensor, list[torch.Tensor]]:
    """A layer, its input, and what it and its gradients are in double precision."""
    torch.manual_seed(0)
    layer, x = Linear(96, 130, bias), torch.randn(5, 40, 96)
    exact = nn.Linear(96, 130, bias).double()
    exact.load_state_dict(layer.state_dict())
    return layer, x, results(exact, x.double())


def error(ours: torch.Tensor, exact: torch.Tensor) -> float:
    return float((ours - exact).detach().abs().max() / exact.detach().abs().max())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("onednn", EVERY_LIBRARY)
def test_float32_is_exact_to_its_rounding(bias, onednn, monkeypatch):
    monkeypatch.setattr(products, "onednn_is_exact", lambda: onednn)
    layer, x, exact = a_layer(bias)
    for ours, theirs in zip(results(layer, x), exact, strict=True):
        assert ours.dtype == torch.float32
        assert error(ours, theirs) < 2e-6
    with torch.no_grad():
        assert error(layer(x), exact[0]) < 2e-6


@pytest.mark.parametrize("bias", [True, False])
def test_bfloat16_rounds_products_and_nothing_outside_its_block(bias):
    layer, x, exact = a_layer(bias)
    for ours, theirs in zip(results(layer, x, "bfloat16"), exact, strict=True):
        assert ours.dtype == torch.float32
        assert error(ours, theirs) < 0.02
    assert error(results(layer, x, "bfloat16")[0], exact[0]) > 1e-4
    assert error(layer(x), exact[0]) < 2e-6


def test_an_input_without_gradient_gets_none():
    layer, x, _ = a_layer(True)
    for precision in ("float32", "bfloat16"):
        with rounded_to(precision, CPU):
            layer(x).sum().backward()
        assert x.grad is None
        assert layer.weight.grad is not None


def test_the_library_is_asked_within_the_block_alone():
    before = precision_of_products()
    with fast_products():
        assert (precision_of_products() == "bf16") == products.onednn_is_exact()
    with pytest.raises(RuntimeError, match="shape"), fast_products():
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert precision_of_products() == before


def test_small_products_are_left_to_pytorch(monkeypatch):
    monkeypatch.setattr(products, "LARGE_PRODUCT", 5 * 40 * 96 * 130 + 1)
    layer, x, _ = a_layer(True)
    assert torch.equal(layer(x), nn.Linear.forward(layer, x))
    assert layer(x).grad_fn.name() == nn.Linear.forward(layer, x).grad_fn.name()


def attended(attend, *inputs) -> list[torch.Tensor]:
    """Output and gradients of attention."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = attend(*inputs)
    by_y = torch.randn(y.shape, generator=torch.Generator().manual_seed(7)).to(y)
    return [y, *torch.autograd.grad(y, inputs, by_y)]


@pytest.mark.parametrize("onednn", EVERY_LIBRARY)
@pytest.mark.parametrize("length", [2, 65])
def test_attention_is_exact_to_its_rounding(length, onednn, monkeypatch):
    monkeypatch.setattr(products, "onednn_is_exact", lambda: onednn)
    torch.manual_seed(0)
    packed = torch.randn(3, length, 3, 2, 24).permute(2, 0, 3, 1, 4)  # as the model has it
    exact = attended(
        lambda *x: F.scaled_dot_product_attention(*x, is_causal=True), *packed.double()
    )
    for ours, theirs in zip(
        attended(lambda *x: causal_attention(*x, 0.0), *packed), exact, strict=True
    ):
        assert ours.shape == (3, 2, length, 24)
        assert error(ours, theirs) < 5e-6


def test_attention_keeps_scores_only_where_they_are_few_and_whole(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_exact", lambda: True)
    x = torch.randn(2, 2, 8, 4, requires_grad=True)

    def explicit(dropout: float = 0.0) -> bool:
        return "FastAttention" in causal_attention(x, x, x, dropout).grad_fn.name()

    assert explicit()
    assert not explicit(dropout=0.1)
    monkeypatch.setattr(products, "MOST_SCORES", 2 * 2 * 8 * 8 - 1)
    assert not explicit()


@every_architecture
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_flops_are_those_of_the_formula(config, precision):
    training = TrainingConfig(steps=1, precision=precision)
    length = config.context_length
    shape = {"batch_size": 3, "sequence_length": length}
    formula = step_flops(config, 11, **shape)
    assert measured_step_flops(config, 11, training, **shape) == formula
    model = build_model(config, 11)
    batch = Batches(torch.arange(200) % 11, model.config.lookback, length, seed=0)(0, 3, length)
    live = count_flops(lambda: rounded(precision, model, batch).backward())
    assert live == formula.total


def rounded(precision, model, batch) -> torch.Tensor:
    with rounded_to(precision, CPU):
        return loss_of(model, batch, "all_positions")


@every_architecture
def test_bfloat16_changes_the_loss_by_its_rounding(config):
    model = build_model(config.replace(initialization="pytorch"), 11)
    length = config.context_length
    batch = Batches(torch.arange(200) % 11, model.config.lookback, length, seed=0)(0, 3, length)
    exact = rounded("float32", copy.deepcopy(model).double(), batch)
    assert abs(rounded("float32", model, batch) - exact) < 1e-6 * exact
    assert 1e-7 * exact < abs(rounded("bfloat16", model, batch) - exact) < 1e-2 * exact


def test_the_check_of_the_library_is_neither_counted_nor_faked(monkeypatch):
    products.onednn_is_exact.cache_clear()
    layer = build_model(SMALL["mlp"], 11)
    batch = Batches(torch.arange(200) % 11, layer.config.lookback, 5, seed=0)(0, 3, 5)
    formula = step_flops(SMALL["mlp"], 11, batch_size=3, sequence_length=5)
    assert count_flops(lambda: loss_of(layer, batch, "all_positions").backward()) == formula.total
    products.onednn_is_exact.cache_clear()
    measured_step_flops.cache_clear()
    measured = measured_step_flops(
        SMALL["mlp"], 11, TrainingConfig(steps=1), batch_size=3, sequence_length=5
    )
    assert measured == formula
