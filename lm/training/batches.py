"""The rows that a step learns from, and what it learns by them: a loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lm.architectures.shared.model import LanguageModel


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The rows of a training step: B of them, of T predictions each."""

    inputs: Tensor  # (B, T)
    targets: Tensor  # (B, T), the tokens that follow
    before: Tensor | None  # (B, lookback) tokens that complete the first windows of a row

    @classmethod
    def empty(cls, model: LanguageModel, rows: int, length: int) -> Batch:
        """A batch of the right shapes, to count FLOPs on."""
        zeros = torch.zeros(rows, model.config.lookback + length + 1, dtype=torch.long)
        return split_rows(zeros, model.config.lookback)


def split_rows(rows: Tensor, lookback: int) -> Batch:
    """(B, lookback + T + 1) consecutive tokens -> the parts of a batch."""
    before = rows[:, :lookback] if lookback else None
    return Batch(inputs=rows[:, lookback:-1], targets=rows[:, lookback + 1 :], before=before)


class Batches:
    """Rows of a token stream in an order that depends on (seed, step) alone.

    Each epoch cuts the stream at a random offset into rows of T predictions and shuffles them;
    every row is used once per epoch. Rows start where a full window precedes them.
    """

    def __init__(self, token_ids: Tensor, lookback: int, row_length: int, seed: int) -> None:
        """`token_ids`: (N,), on the device. Raises ValueError if N is too short for one row."""
        needed = lookback + row_length + 1
        if len(token_ids) < needed:
            raise ValueError(
                f"The train split must hold at least {needed:,} tokens for rows of {row_length:,} "
                f"predictions and a look-back of {lookback:,}. Received: {len(token_ids):,}. "
                "Use a longer text, or lower context_length or sequence_length."
            )
        self.rows = token_ids.unfold(0, needed, 1)  # (starts, lookback + T + 1), a view
        self.lookback, self.row_length, self.seed = lookback, row_length, seed
        self.rows_per_epoch = max(1, len(self.rows) // row_length)
        self._epoch, self._starts = -1, np.empty(0, dtype=np.int64)

    def __call__(self, first_row: int, n_rows: int, length: int) -> Batch:
        """`n_rows` rows of the endless stream from `first_row` on, of `length` predictions each."""
        return split_rows(self.rows_of(first_row, n_rows, length), self.lookback)

    def rows_of(self, first_row: int, n_rows: int, length: int) -> Tensor:
        """The same as consecutive tokens, (n_rows, lookback + length + 1)."""
        starts = np.empty(n_rows, dtype=np.int64)
        filled = 0
        while filled < n_rows:
            epoch, place = divmod(first_row + filled, self.rows_per_epoch)
            piece = self._starts_of(epoch)[place : place + n_rows - filled]
            starts[filled : filled + len(piece)] = piece
            filled += len(piece)
        indices = torch.from_numpy(starts).to(self.rows.device)
        return self.rows[indices, : self.lookback + length + 1]

    def _starts_of(self, epoch: int) -> np.ndarray:
        """(rows_per_epoch,) where the rows of an epoch start, in their order."""
        if epoch != self._epoch:
            random = np.random.Generator(np.random.Philox(key=self.seed, counter=epoch))
            spare = len(self.rows) - (self.rows_per_epoch - 1) * self.row_length
            offset = random.integers(min(spare, self.row_length))
            order = random.permutation(self.rows_per_epoch)
            self._epoch, self._starts = epoch, offset + order * self.row_length
        return self._starts


def loss_of(model: LanguageModel, batch: Batch, objective: str, z_loss: float = 0.0) -> Tensor:
    """The mean loss of a batch, in nats per prediction, to be differentiated.

    The gradient is that of the loss plus `z_loss` times (log Z)², Z being the softmax's
    denominator. `objective` is "all_positions", or "last_position" for the last of each row alone.
    """
    features, targets = model.features(batch.inputs, batch.before), batch.targets
    if objective == "last_position":  # (B, T, d), (B, T)
        features, targets = features[:, -1:], targets[:, -1:]
    return model.head.loss(features.flatten(0, 1), targets.flatten(), z_loss=z_loss)
