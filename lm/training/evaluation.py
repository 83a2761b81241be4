"""Scoring a whole split: every token exactly once, always in the same way.

Where rows have a longest length, as under self-attention, such rows begin every `stride =
context_length // 2` tokens and only their second half is scored, so that each scored token has
at least half a context before it. A model over a window always has its full window. At the start
of a split there is less before a token; the very first, which nothing precedes, costs ln V.
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
from lm.datasets import Split

LOGITS_PER_BATCH = 2**21  # 8 MB, which a processor's cache holds
WINDOW_ROW = 128  # predictions per row over a window; any number gives the same scores


@dataclass(frozen=True)
class _Rows:
    """Rows of one shape: `length` inputs from each start, of which the last `scored` count."""

    starts: np.ndarray  # (number of rows,) places in the split
    length: int
    scored: int
    lookback: int = 0  # tokens before each start that complete a window


def evaluate(
    model: LanguageModel,
    split: Split,
    *,
    blocks: bool = False,
    on_batch: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Score a split.

    Args:
        model: What predicts.
        split: It has at least two tokens.
        blocks: Score as others do, to compare with their results: in rows that do not overlap,
            so that under self-attention a token has half a context on average.
        on_batch: Called now and then; an exception from it ends the scoring.
    """
    nats = token_nats(model, split.token_ids, blocks=blocks, on_batch=on_batch)
    return split.scored(float(nats.sum(dtype=np.float64)))


def token_nats(
    model: LanguageModel,
    token_ids: np.ndarray | Tensor,
    *,
    blocks: bool = False,
    on_batch: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """(N,) -ln p of each of a split's tokens, (N,): what `evaluate` sums. Arguments as there."""
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
    """For some rows at a time: their starts, (B,), and -ln p of what they score, (B, scored)."""
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
