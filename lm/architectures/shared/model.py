"""What every model of this program is: token ids (B, T) in, logits (B, T, V) out.

B is rows, T positions, V the vocabulary. A model knows nothing of samplers or FLOPs, and of losses
only its head does. `features` is everything below the output matrix, for callers that need few of
the logits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lm.architectures.shared.hashing import table_rows
from lm.architectures.shared.products import Linear

if TYPE_CHECKING:
    from lm.architectures.shared.heads import Head
    from lm.architectures.shared.self_attention_config import SelfAttentionConfig
    from lm.architectures.shared.window_config import WindowConfig


class LanguageModel(nn.Module):
    """A next-token predictor. Position t sees tokens 0..t of its row and those before."""

    embedding: nn.Embedding
    ngram_embedding: nn.Embedding | None
    ngram_projection: nn.Linear
    head: Head

    def __init__(
        self, config: WindowConfig | SelfAttentionConfig, vocab_size: int, width: int
    ) -> None:
        """Embeddings of tokens and n-grams, `width` features each."""
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        self.embedding = nn.Embedding(vocab_size, width)
        self.ngram_embedding = None
        lengths = config.ngram_order - 1
        if lengths:
            self.ngram_embedding = nn.Embedding(lengths * config.ngram_rows, config.ngram_width)
            self.ngram_projection = Linear(lengths * config.ngram_width, width, bias=False)
            nn.init.zeros_(self.ngram_embedding.weight)  # at first no more than its last token

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, d), what the head reads.

        `before`: the `config.lookback` tokens before each row, (B, lookback); None at the start of
        a text.
        """
        raise NotImplementedError

    def forward(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        return self.head(self.features(token_ids, before))

    def embed(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, d): each token, and the n-grams that end at it.

        `before`: the last tokens before the row, (B, at most ngram_order - 1).
        """
        x = self.embedding(token_ids)
        if self.ngram_embedding is None:
            return x
        order = self.config.ngram_order
        text = token_ids + 1
        if before is not None:
            text = torch.cat([before + 1, text], dim=1)
        padded = F.pad(text, (order - 1 + token_ids.shape[1] - text.shape[1], 0))
        rows = table_rows(padded, order, self.vocab_size, self.config.ngram_rows)
        ngrams = self.ngram_embedding(torch.stack(rows, dim=-1))  # (B, T, order - 1, width)
        if self.training and self.config.ngram_dropout:
            kept = torch.ones_like(ngrams[..., :1])
            ngrams = ngrams * F.dropout(kept, self.config.ngram_dropout)
        return x + self.ngram_projection(ngrams.flatten(2))


def weights(model: LanguageModel) -> dict[str, Tensor]:
    """The trainable tensors by name, a shared one once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def load_weights(model: LanguageModel, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors`, as `weights` gave them, into `model`.

    Raises ValueError naming the first tensor that is missing, unknown or of another shape.
    """
    own = weights(model)
    for name in sorted(own.keys() ^ tensors.keys()):
        raise ValueError(f"The weights {'lack' if name in own else 'have an unknown'} {name!r}.")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise ValueError(
                f"The weights hold {name!r} as {tuple(tensors[name].shape)}; "
                f"this model needs {tuple(tensor.shape)}."
            )
        tensor.copy_(tensors[name])


class ReLUSquared(nn.Module):
    """max(0, x)², from Primer (arXiv 2109.08668)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "relu2": ReLUSquared, "swiglu": nn.SiLU}


@torch.no_grad()
def initialize(model: LanguageModel, kind: str, residual_outputs: Sequence[nn.Linear] = ()) -> None:
    """Set the first weights; `residual_outputs` are the maps that write to the residual stream.

    Under every kind the first loss is near ln V. A tied matrix is initialised as a head.
    """
    if kind == "pytorch":
        model.head.reset_parameters()
        return
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module is not model.ngram_embedding:
            nn.init.normal_(module.weight, std=0.02 if kind == "gpt2" else 1.0)
        elif isinstance(module, nn.Linear):
            std = 0.02 if kind == "gpt2" else module.in_features**-0.5
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if kind == "gpt2":
        for layer in residual_outputs:
            nn.init.normal_(layer.weight, std=0.02 / math.sqrt(len(residual_outputs)))
        return
    for layer in residual_outputs:
        nn.init.zeros_(layer.weight)
    for parameter in model.head.parameters():
        nn.init.zeros_(parameter)
    if getattr(model.config, "tie_embeddings", False):
        nn.init.normal_(model.head.weight, std=0.02)
