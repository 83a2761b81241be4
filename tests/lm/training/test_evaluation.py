"""Every token of a split is scored exactly once, with at least half the context."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.architectures import build_model
from lm.base.records import Evaluation
from lm.datasets import Split
from lm.training import evaluation
from lm.training.evaluation import evaluate, sampled_loss, token_nats
from tests.lm.architectures.test_models import SMALL, awake

VOCAB_SIZE = 11


def by_hand(model, token_ids: torch.Tensor) -> float:
    """The protocol, one token at a time."""
    context = model.config.context_length
    stride = max(1, context // 2)
    nats = math.log(VOCAB_SIZE)
    for i in range(1, len(token_ids)):
        if model.config.architecture in ("linear", "mlp"):
            start = max(0, i - context)
        elif i <= context:
            start = 0
        else:
            row = math.ceil((i - context) / stride)  # rows after the first
            start = min(row * stride, len(token_ids) - 1 - context)
            last_whole = (len(token_ids) - 1 - context) // stride
            if row > last_whole:  # the rest: a row of its own, as long as it needs to be
                rest = (len(token_ids) - 1 - context) % stride
                start = len(token_ids) - 1 - (context - stride + rest)
        with torch.no_grad():
            logits = model(token_ids[None, start:i])[0, -1]
        nats -= logits.log_softmax(-1)[token_ids[i]].item()
    return nats


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(SMALL)),
    n_tokens=st.integers(2, 60),
    context=st.integers(1, 14),
    row=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_whole_split_equals_the_protocol_by_hand(name, n_tokens, context, row, seed):
    order = min(SMALL[name].ngram_order, context)
    model = awake(SMALL[name].replace(context_length=context, ngram_order=order), seed)
    token_ids = torch.randint(
        VOCAB_SIZE, (n_tokens,), generator=torch.Generator().manual_seed(seed)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "WINDOW_ROW", row)
        result = evaluate(model, Split(token_ids.numpy(), n_tokens))
    assert result.n_tokens == n_tokens
    assert result.total_nats == pytest.approx(by_hand(model, token_ids), rel=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_batches_do_not_change_the_score(name, monkeypatch):
    model = build_model(SMALL[name].replace(initialization="pytorch"), VOCAB_SIZE)
    token_ids = np.random.default_rng(0).integers(VOCAB_SIZE, size=700)
    whole = evaluate(model, Split(token_ids, 700))
    monkeypatch.setattr(evaluation, "LOGITS_PER_BATCH", 1)
    assert evaluate(model, Split(token_ids, 700)).total_nats == pytest.approx(whole.total_nats)


@pytest.mark.parametrize("name", SMALL)
def test_a_sample_of_everything_is_the_whole(name):
    model = build_model(SMALL[name].replace(initialization="pytorch"), VOCAB_SIZE)
    token_ids = np.random.default_rng(0).integers(VOCAB_SIZE, size=5_000)
    whole = evaluate(model, Split(token_ids, 5_000)).loss
    assert sampled_loss(model, token_ids, 10**6) == pytest.approx(whole, rel=0.01)
    few = sampled_loss(model, token_ids, 256)
    assert few == sampled_loss(model, token_ids, 256)
    assert few == pytest.approx(whole, rel=0.2)


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_blocks_do_not_overlap(name):
    config = SMALL[name].replace(context_length=8, initialization="pytorch")
    model = build_model(config, VOCAB_SIZE).eval()
    token_ids = torch.randint(VOCAB_SIZE, (30,), generator=torch.Generator().manual_seed(0))
    expected = [math.log(VOCAB_SIZE)]
    for start in (0, 8, 16):
        row = token_ids[start : start + 9]
        with torch.no_grad():
            expected += F.cross_entropy(
                model(row[None, :-1])[0], row[1:], reduction="none"
            ).tolist()
    nats = token_nats(model, token_ids, blocks=True)
    assert nats[:25] == pytest.approx(expected, rel=1e-5)
    assert len(nats) == 30
    result = evaluate(model, Split(token_ids.numpy(), 30), blocks=True)
    assert result.total_nats == pytest.approx(nats.sum())


def test_an_untrained_model_guesses_uniformly():
    model = build_model(SMALL["transformer"], VOCAB_SIZE)  # its head is zero
    result = evaluate(model, Split(np.zeros(50, dtype=int), 50))
    assert result.loss == pytest.approx(math.log(VOCAB_SIZE), rel=1e-6)
    assert result.perplexity == pytest.approx(VOCAB_SIZE, rel=1e-5)
    assert result.bits_per_char == pytest.approx(math.log2(VOCAB_SIZE), rel=1e-6)


def test_figures_derive_from_sums():
    result = Evaluation(total_nats=200.0, n_tokens=100, n_chars=400, spelling_nats=77.0)
    assert result.loss == 2.0 == -result.log_likelihood
    assert result.bits_per_char == pytest.approx(277 / 400 / math.log(2))


def test_too_little_to_score_is_said():
    model = build_model(SMALL["linear"], VOCAB_SIZE)
    with pytest.raises(ValueError, match=r"at least 2 tokens.*Received: 1"):
        evaluate(model, Split(np.zeros(1, dtype=int), 1))
