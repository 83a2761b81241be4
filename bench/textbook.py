"""A textbook training loop for a small GPT, against which this project's step is measured.

It is nanoGPT's step as its users run it on a CPU, written anew: one matrix for queries, keys and
values, fused attention, a tied head, foreach AdamW, gradients clipped, and batches stacked row by
row from a memory map. The same weights give the same logits and the same loss as the project's
preset `nanogpt`; `tests/bench/test_textbook.py` holds it to that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, d: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.proj = nn.Linear(d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, d = x.shape
        q, k, v = self.qkv(x).split(d, dim=2)
        q, k, v = (
            part.view(batch, length, self.n_heads, d // self.n_heads).transpose(1, 2)
            for part in (q, k, v)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).contiguous().view(batch, length, d))


class Block(nn.Module):
    def __init__(self, d: int, n_heads: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(d, bias=False)
        self.attention = Attention(d, n_heads)
        self.norm_2 = nn.LayerNorm(d, bias=False)
        self.up = nn.Linear(d, 4 * d, bias=False)
        self.down = nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class GPT(nn.Module):
    """Token ids (B, T) and targets (B, T) -> logits (B, T, V) and the mean loss."""

    def __init__(self, vocab_size: int, d: int, n_layers: int, n_heads: int, length: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, d)
        self.positions = nn.Embedding(length, d)
        self.blocks = nn.ModuleList(Block(d, n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d, bias=False)
        self.head = nn.Linear(d, vocab_size, bias=False)
        self.tokens.weight = self.head.weight

    def forward(self, token_ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.arange(token_ids.shape[1])
        x = self.tokens(token_ids) + self.positions(places)
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))
        return logits, loss


class Loop:
    """The model, its optimizer and its batches; `step` takes one and gives its loss."""

    def __init__(self, model: GPT, tokens: Path, batch_size: int, length: int) -> None:
        """`tokens`: a file of unsigned 16-bit token ids."""
        self.model, self.tokens = model, tokens
        self.batch_size, self.length = batch_size, length
        matrices = [p for p in model.parameters() if p.dim() >= 2]
        vectors = [p for p in model.parameters() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": 0.1},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=1e-3,
            betas=(0.9, 0.99),
            foreach=True,
        )

    def batch(self) -> tuple[Tensor, Tensor]:
        data = np.memmap(self.tokens, dtype=np.uint16, mode="r")
        starts = torch.randint(len(data) - self.length, (self.batch_size,))

        def rows(shift: int) -> Tensor:
            parts = [data[i + shift : i + shift + self.length].astype(np.int64) for i in starts]
            return torch.stack([torch.from_numpy(part) for part in parts])

        return rows(0), rows(1)

    def step(self) -> float:
        token_ids, targets = self.batch()
        _, loss = self.model(token_ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()
