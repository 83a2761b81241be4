"""Rows of n-grams: exact where they fit, the same for NumPy and torch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from lm.architectures.shared.hashing import table_rows


def padded(order: int, vocab_size: int, length: int, seed: int) -> np.ndarray:
    token_ids = np.random.default_rng(seed).integers(vocab_size, size=(3, length)) + 1
    return np.pad(token_ids, ((0, 0), (order - 1, 0)))


@given(
    order=st.integers(2, 8),
    vocab_size=st.integers(1, 40_000),
    n_rows=st.integers(1, 2**22),
    seed=st.integers(0, 99),
)
def test_numpy_and_torch_agree_and_every_length_has_its_own_rows(order, vocab_size, n_rows, seed):
    text = padded(order, vocab_size, 20, seed)
    ours = table_rows(text, order, vocab_size, n_rows)
    theirs = table_rows(torch.from_numpy(text), order, vocab_size, n_rows)
    assert len(ours) == len(theirs) == order - 1
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.shape == (3, 20)
        assert np.array_equal(a, b.numpy())
        assert (a >= i * n_rows).all()
        assert (a < (i + 1) * n_rows).all()


def test_as_many_rows_as_ngrams_give_each_its_own():
    vocab_size, order = 6, 3
    text = padded(order, vocab_size, 2_000, 0)
    n_rows = (vocab_size + 1) ** order
    for k, rows in enumerate(table_rows(text, order, vocab_size, n_rows), start=2):
        ngrams = np.stack([text[:, order - k + i : 2_000 + order - k + i] for i in range(k)], -1)
        seen = {tuple(ngram) for ngram in ngrams.reshape(-1, k).tolist()}
        assert len(np.unique(rows)) == len(seen)


def test_a_hashed_table_is_used_evenly():
    rows = table_rows(padded(4, 65, 100_000, 0), 4, 65, 1_000)[-1]  # the 4-grams of random text
    counts = np.bincount(rows.ravel() % 1_000, minlength=1_000)
    assert counts.min() > 200
    assert counts.max() < 400
