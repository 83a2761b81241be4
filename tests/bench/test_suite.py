"""The benchmarks measure what they say they measure."""

import pytest

from bench import suite, textbook
from lm.architectures import build_model
from lm.runs.plan import plan


@pytest.mark.parametrize("shape", suite.SHAPES, ids=lambda shape: shape.name)
def test_every_shape_can_be_trained_and_the_textbooks_model_is_as_large(shape):
    config = suite.config_of(shape)
    assert plan(config, shape.vocab_size, suite.N_TOKENS).n_steps > 60
    if shape.textbook:
        model = config.model
        theirs = textbook.GPT(
            shape.vocab_size, model.d_model, model.n_layers, model.n_heads, model.context_length
        )
        ours = build_model(model, shape.vocab_size)
        sizes = [sum(p.numel() for p in module.parameters()) for module in (ours, theirs)]
        assert sizes[0] == sizes[1]


def test_the_textbooks_steps_are_taken(tmp_path):
    shape = suite.SHAPES[2]
    suite.textbook_steps(shape, suite.config_of(shape), 1, tmp_path)()
    assert (tmp_path / "tokens.bin").stat().st_size == 2 * suite.N_TOKENS


def test_actions_are_timed_in_turns():
    order = []
    times = suite.in_turns(a=lambda: order.append("a"), b=lambda: order.append("b"))
    assert order == ["a", "b"] * (suite.TURNS + 1)  # once to warm up
    assert set(times) == {"a", "b"}
    assert all(seconds >= 0 for seconds in times.values())
