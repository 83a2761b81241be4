"""Scoring a split whole, every token exactly once, by one deterministic protocol.

Where a row has a longest length, the model slides over the split in rows of it, `stride =
context_length // 2` apart; the second half of a row is scored, so each scored token sees at
least half the context. A model over a window sees its full window. The first tokens of a split see
what there is, and the very first, which nothing precedes, costs ln V.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lm.architectures.shared.model import LanguageModel
from lm.base.records import Evaluation

LOGITS_PER_BATCH = 2**21  # 8 MB of them, which a cache holds: few rows of large vocabularies
WINDOW_ROW = 128  # predictions per row of a window model; any number gives the same scores


@dataclass(frozen=True)
class _Rows:
    """Rows of one shape: `length` inputs from each start, of which the last `scored` count."""

    starts: np.ndarray
    length: int
    scored: int
    lookback: int = 0  # tokens before each start that complete a window


def evaluate(
    model: LanguageModel,
    token_ids: np.ndarray | Tensor,
    *,
    n_chars: int,
    spelling_nats: float = 0.0,
    blocks: bool = False,
    on_batch: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Score a split: `token_ids` (N,), the `n_chars` characters of its text.

    With `blocks`, by another protocol, for comparison with results of others: self-attention
    sees rows that do not overlap, so that a token has half the context on average. `on_batch` is
    called now and then, and may end it by an exception.
    """
    nats = token_nats(model, token_ids, blocks=blocks, on_batch=on_batch)
    return Evaluation(
        total_nats=float(nats.sum(dtype=np.float64)),
        n_tokens=len(nats),
        n_chars=n_chars,
        spelling_nats=spelling_nats,
    )


def token_nats(
    model: LanguageModel,
    token_ids: np.ndarray | Tensor,
    *,
    blocks: bool = False,
    on_batch: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """-ln p of every token of a split, (N,), as `evaluate` sums them."""
    stream = _stream(model, token_ids)
    nats = np.full(len(stream), math.log(model.vocab_size))
    for rows in _cover(model, len(stream), blocks):
        for starts, losses in _losses(model, stream, rows):
            scored = np.arange(rows.length - rows.scored, rows.length) + 1
            nats[starts[:, None] + scored] = losses
            on_batch()
    return nats


def sampled_loss(model: LanguageModel, token_ids: np.ndarray | Tensor, n_tokens: int) -> float:
    """Mean nats per token over about `n_tokens` tokens, in rows evenly spaced through a split."""
    stream = _stream(model, token_ids)
    rows = max(_cover(model, len(stream)), key=lambda rows: len(rows.starts))
    n_rows = max(1, min(len(rows.starts), n_tokens // max(1, rows.scored)))
    places = np.linspace(0, len(rows.starts) - 1, n_rows).round().astype(int)
    sample = _Rows(rows.starts[places], rows.length, rows.scored, rows.lookback)
    nats = sum(losses.sum(dtype=np.float64) for _, losses in _losses(model, stream, sample))
    return float(nats) / (n_rows * rows.scored)


def _stream(model: LanguageModel, token_ids: np.ndarray | Tensor) -> Tensor:
    if len(token_ids) < 2:
        raise ValueError(
            f"A split must hold at least 2 tokens to be scored. Received: {len(token_ids)}."
        )
    device = next(model.parameters()).device
    return torch.as_tensor(token_ids, dtype=torch.long, device=device)


def _cover(model: LanguageModel, n_tokens: int, blocks: bool = False) -> list[_Rows]:
    """Rows that score tokens 1 .. n_tokens - 1 of a stream once each."""
    predictions = n_tokens - 1  # input i predicts token i + 1
    lookback, longest = model.config.lookback, model.config.longest_row
    if longest is None:
        first, row, stride = lookback, WINDOW_ROW, WINDOW_ROW
    else:
        first = row = longest
        stride = row if blocks else max(1, row // 2)
    first = min(first, predictions)
    covers = [_Rows(np.array([0]), first, first)] if first else []
    whole, rest = divmod(predictions - first, stride)
    if whole:
        ends = first + stride * np.arange(1, whole + 1)
        covers.append(_Rows(ends - row, row, stride, lookback))
    if rest:
        length = row - stride + rest
        covers.append(_Rows(np.array([predictions - length]), length, rest, lookback))
    return covers


@torch.inference_mode()
def _losses(
    model: LanguageModel, stream: Tensor, rows: _Rows
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some of the starts of `rows` at a time, (B,), and -ln p of what they score, (B, scored)."""
    model.eval()
    limit = max(1, LOGITS_PER_BATCH // (rows.length * max(model.head.numbers_per_prediction, 256)))
    window = torch.arange(-rows.lookback, rows.length + 1, device=stream.device)
    starts = torch.as_tensor(rows.starts, device=stream.device)
    for part in starts.split(limit):
        tokens = stream[part[:, None] + window]  # (B, lookback + length + 1)
        before = tokens[:, : rows.lookback] if rows.lookback else None
        features = model.features(tokens[:, rows.lookback : -1], before)
        losses = model.head.nats(features[:, -rows.scored :], tokens[:, -rows.scored :])
        yield part.cpu().numpy(), losses.cpu().numpy()
