"""Plain arrays say what torch says, for every kind of model, a token or many at a time."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.architectures import build_model
from lm.writing.generation import as_decoder
from tests.lm.architectures.strategies import model_configs


@settings(max_examples=60, deadline=None)
@given(config=model_configs(), seed=st.integers(0, 9), data=st.data())
def test_logits_are_those_of_the_model(config, seed, data):
    vocab_size, n_texts = 11, data.draw(st.integers(1, 3))
    model = build_model(config, vocab_size, seed).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=random))
    texts = np.random.default_rng(seed).integers(vocab_size, size=(n_texts, 60))
    decoder, n = as_decoder(model), 0
    while n < 35:
        n += data.draw(st.integers(1, 9))  # tokens come one by one, or a prompt at once
        start = decoder.first_read(n)
        with torch.no_grad():
            expected = model(torch.from_numpy(texts[:, start:n]))[:, -1].numpy()
        found = decoder.logits(texts[:, :n])
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, atol=2e-4 * scale)
