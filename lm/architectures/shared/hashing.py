"""Which row of its table belongs to an n-gram: the same numbers for torch and for NumPy.

A run of k tokens is a number to the base V + 1, with 0 where a text has not begun. If a table
has a row for each such number, that is the row; otherwise the number is hashed, and some
n-grams share a row ("hashing trick", Weinberger et al. 2009).
"""

from __future__ import annotations

from typing import Any

_FACTOR = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, as in Fibonacci hashing


def _signed(number: int) -> int:
    """`number` modulo 2^64, as an int64 holds it; array arithmetic wraps around likewise."""
    return (number + 2**63) % 2**64 - 2**63


def table_rows(padded: Any, order: int, vocab_size: int, n_rows: int) -> list[Any]:
    """Rows in one table, of `n_rows` for each length, of the n-grams of 2 to `order` tokens.

    `padded`: (B, order - 1 + T) int64, token ids + 1, 0 where there is no token; a torch tensor
    or NumPy array. Each of the result (B, T): the n-grams that end at a position.
    """
    base, length = vocab_size + 1, padded.shape[1] - order + 1
    number = padded[:, order - 1 :]
    rows: list[Any] = []
    for k in range(2, order + 1):
        first = order - k
        number = number + padded[:, first : first + length] * _signed(base ** (k - 1))
        row = number
        if base**k > n_rows:
            row = number * _signed(_FACTOR)
            row = row ^ (row >> 29)
        rows.append(row % n_rows + (k - 2) * n_rows)
    return rows
