"""What models over a window of tokens have in common: W embeddings in, side by side."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lm.architectures.shared.embeddings import EmbeddingModel
from lm.architectures.shared.window_config import WindowConfig


class WindowModel(EmbeddingModel):
    """The embeddings of the last `context_length` tokens, at every position."""

    config: WindowConfig

    def __init__(self, config: WindowConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size, config.d_embed)
        self.width = config.n_embedded * config.d_embed

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        return self.windows(token_ids, before)

    def windows(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, width): for each position the embeddings of its window."""
        n_embedded = self.config.n_embedded
        n_read = token_ids.shape[1] + n_embedded - 1
        x = self.embed(*self.read(token_ids, before))
        # before the start of the text there is nothing: zeros
        x = F.pad(x, (0, 0, n_read - x.shape[1], 0))  # (B, n - 1 + T, d_embed)
        return x.unfold(1, n_embedded, 1).flatten(2)  # (B, T, d_embed * n)

    def read(self, token_ids: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        n_read = token_ids.shape[1] + self.config.n_embedded - 1
        if before is not None:
            token_ids = torch.cat([before, token_ids], dim=1)
        start = max(0, token_ids.shape[1] - n_read)
        of_first = token_ids[:, max(0, start - self.config.ngram_order + 1) : start]
        return token_ids[:, start:], of_first
