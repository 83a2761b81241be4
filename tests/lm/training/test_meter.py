"""The FLOPs that are shown are the FLOPs that PyTorch counts."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lm.architectures import build_model
from lm.architectures.shared.heads import LARGE_VOCAB_SIZE
from lm.base.files import PROJECT
from lm.base.flops import Cost
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops, step_flops_by_module
from lm.runs.plan import BudgetError, plan
from lm.training.engines.eager import Eager
from lm.training.loop import Training
from lm.training.meter import count_flops, measured_step_flops
from lm.updates.config import TrainingConfig
from tests.lm.architectures.strategies import model_configs, training_configs
from tests.lm.architectures.test_models import SMALL


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_measured_equals_formula(data):
    config = data.draw(model_configs())
    training = data.draw(training_configs(config))
    batch_size = data.draw(st.integers(1, 5))
    longest = config.longest_row or 30
    length = data.draw(st.integers(1, longest))
    vocab_size = data.draw(st.integers(2, 90) | st.integers(LARGE_VOCAB_SIZE, 40_000))
    measured = measured_step_flops(
        config, vocab_size, training, batch_size=batch_size, sequence_length=length
    )
    shape = {"batch_size": batch_size, "sequence_length": length}
    formula = step_flops(
        config, vocab_size, **shape, optimizer=training.optimizer, objective=training.objective
    )
    assert measured == formula


@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_whole_run_equals_counting_every_step_live(config, optimizer):
    if config.architecture == "linear":
        optimizer = "sgd"
    if config.architecture != "linear":
        config = config.replace(dropout=0.1)
    step = step_flops(config, 11, batch_size=4, sequence_length=config.context_length)
    budget = 3.6 * (step.total + (2e6 if optimizer == "muon" else 0))
    training = TrainingConfig(budget=budget, batch_size=4, optimizer=optimizer)
    run = RunConfig(data=DataConfig(), model=config, training=training)
    token_ids = torch.randint(11, (500,), generator=torch.Generator().manual_seed(0))
    engine = Eager(build_model(config, 11), run, token_ids)
    live = count_flops(lambda: list(Training(engine).run()))
    assert live == engine.plan.flops.total
    assert 0.95 * budget <= live <= budget


def test_dropout_does_not_change_the_headline():
    config = SMALL["transformer"]
    shape = {"batch_size": 2, "sequence_length": 12}
    training = TrainingConfig(steps=1)
    plain, dropped = (
        measured_step_flops(config.replace(dropout=p), 11, training, **shape) for p in (0.0, 0.3)
    )
    assert plain == dropped


def test_causality_does_not_change_the_headline():
    query = torch.randn(1, 2, 8, 4, requires_grad=True)

    def flops(causal: bool) -> int:
        return count_flops(
            lambda: (
                F.scaled_dot_product_attention(query, query, query, is_causal=causal)
                .sum()
                .backward()
            )
        )

    assert flops(True) == flops(False) == 12 * 8 * 8 * 8


def test_the_stock_counter_misses_attention_on_a_cpu():
    """Why the math kernel is forced. If this fails, torch counts it now: see lm/meter.py."""
    query = torch.randn(1, 2, 8, 4, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        F.scaled_dot_product_attention(query, query, query, is_causal=True).sum().backward()
    assert counter.get_total_flops() == 0
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        F.scaled_dot_product_attention(query, query, query, is_causal=True)
    assert counter.get_total_flops() == 4 * 8 * 8 * 8


def test_closed_forms():
    """compute.md's formulas, written out by hand."""
    t = SMALL["transformer"]
    b, length, v = 3, 12, 65
    total = step_flops(t, v, batch_size=b, sequence_length=length).total
    d, f, layers = t.d_model, t.d_ff, t.n_layers
    dense = 6 * (layers * (4 * d * d + 2 * d * f) + d * v)
    assert total == b * length * (dense + 12 * length * d * layers)
    m = SMALL["mlp"]
    p, w, e, h = b * length, m.context_length, m.d_embed, m.d_hidden
    total = step_flops(m, v, batch_size=b, sequence_length=length).total
    assert total == 6 * p * (w * e * h + h * h + h * v)
    n = SMALL["linear"]
    total = step_flops(n, v, batch_size=b, sequence_length=length).total
    assert total == 6 * p * n.context_length * n.d_embed * v

    two = step_flops(t.replace(output="two_level"), 10_001, batch_size=b, sequence_length=length)
    dense = 6 * (layers * (4 * d * d + 2 * d * f) + d * (100 + 101))  # 100 clusters of 101 words
    assert two.total == b * length * (dense + 12 * length * d * layers)


def test_muon_counts_newton_schulz():
    counts = step_flops_by_module(
        SMALL["mlp"], 11, batch_size=1, sequence_length=1, optimizer="muon"
    )
    m, n = 16, 30
    assert counts["hidden.0"].optimizer == 5 * (4 * m * m * n + 2 * m**3)
    assert counts["head"].optimizer == counts["embedding"].optimizer == 0


def test_flop_counts_add_and_scale():
    one = Cost(forward=1, backward=2, optimizer=3)
    assert (one * 3 + one).to_dict() == {
        "forward": 4,
        "backward": 8,
        "optimizer": 12,
        "total": 24,
    }


# --- budgets ----------------------------------------------------------------------------------


@given(data=st.data())
def test_a_budget_is_spent_and_never_exceeded(data):
    config = data.draw(model_configs())
    training = data.draw(training_configs(config))
    batch_size = data.draw(st.integers(1, 64))
    length = config.context_length
    step = step_flops(
        config,
        65,
        batch_size=batch_size,
        sequence_length=1
        if training.objective == "last_position" and config.architecture in ("linear", "mlp")
        else length,
        optimizer=training.optimizer,
        objective=training.objective,
    )
    budget = step.total * data.draw(st.floats(1, 40))
    values = {"steps": None, "budget": budget, "batch_size": batch_size}
    run = RunConfig(data=DataConfig(), model=config, training=training.replace(**values))
    the_plan = plan(run, 65, 100_000)
    assert the_plan.flops.total <= budget
    if the_plan.predictions_per_step >= 40 and training.optimizer != "muon":
        assert the_plan.flops.total >= 0.95 * budget
    totals = [the_plan.flops_at(i).total for i in range(the_plan.n_steps + 1)]
    assert totals[0] == 0
    assert totals == sorted(totals)
    assert the_plan.tokens_at(0) == 0


def test_a_budget_below_one_step_names_the_minimum():
    config = SMALL["mlp"]
    step = step_flops(config, 65, batch_size=16, sequence_length=5).total
    run = RunConfig(data=DataConfig(), model=config, training=TrainingConfig(budget=step - 1))
    with pytest.raises(BudgetError, match=f"at least one step, {step:,} FLOPs"):
        plan(run, 65, 1000)


def test_a_training_does_not_import_torchs_compiler():
    script = """
import sys, tempfile
from lm.datasets.config import DataConfig
from lm.architectures import ARCHITECTURES
from lm.runs import RunStore
from lm.runs.config import RunConfig
from lm.runs.prepare import prepare
from lm.training import execute
from lm.updates.config import TrainingConfig
for name, optimizer in [("linear", "adamw"), ("transformer", "muon")]:
    model = ARCHITECTURES[name].config(context_length=8)
    training = TrainingConfig(steps=2, batch_size=2, optimizer=optimizer)
    data = DataConfig(dataset="known_entropy", n_chars=20_000)
    config = RunConfig(data=data, model=model, training=training)
    run = execute(prepare(config, RunStore(tempfile.mkdtemp())))
    assert run.state == "complete", run.reason
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)
