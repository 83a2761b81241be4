"""Models of the invented language: none beats its entropy, and a transformer comes near."""

import math

import numpy as np
import pytest

from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.prepare import prepare
from lm.runs.recipes import resolve
from lm.training import execute

BUDGETS = {"linear": 3e9, "mlp": 3e9, "attention": 3e9, "transformer": 1e11}


@pytest.fixture(scope="module")
def corpus():
    return load(DataConfig(dataset="known_entropy"))


@pytest.fixture(scope="module")
def losses(corpus, tmp_path_factory) -> dict[str, float]:
    """Test loss of each architecture by default settings."""
    store = RunStore(tmp_path_factory.mktemp("runs"))
    results = {}
    for architecture in BUDGETS:
        config = resolve(
            architecture=architecture,
            budget=BUDGETS[architecture],
            data=corpus.data,
            vocab_size=corpus.tokenizer.vocab_size,
            n_train_tokens=corpus.train.n_tokens,
        )
        status = execute(prepare(config, store, corpus=corpus)).status
        assert status.flops.total <= BUDGETS[architecture]
        results[architecture] = status.test.loss
    return results


def sampling_error(corpus) -> float:
    """Standard error of the entropy as read off a test split of independent sentences."""
    from lm.datasets.known_entropy import source_nats

    text = corpus.tokenizer.decode(corpus.test.token_ids)
    sentences = text.splitlines(keepends=True)
    excess = [source_nats(s) - corpus.entropy_per_char * len(s) for s in sentences]
    return float(np.std(excess) * math.sqrt(len(sentences)) / len(text))


def test_no_model_falls_under_the_entropy(corpus, losses):
    floor = corpus.entropy_per_char - 3 * sampling_error(corpus)
    assert sampling_error(corpus) < 0.01 * corpus.entropy_per_char
    assert all(loss > floor for loss in losses.values()), losses
    # and on the very sentences of the split, none knows more than the source does
    assert all(loss > corpus.test.ideal_loss for loss in losses.values()), losses


def test_a_default_transformer_comes_near(corpus, losses):
    """As near as 2.5 % to what the source itself needs for the sentences of the split."""
    assert losses["transformer"] <= 1.025 * corpus.test.ideal_loss


def test_the_linear_model_visibly_fails(corpus, losses):
    assert losses["linear"] > 1.1 * corpus.entropy_per_char
