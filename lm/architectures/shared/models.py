"""The four architectures behind one contract: token ids (B, T) in, logits (B, T, V) out.

B is rows, T positions, V the vocabulary, W the context of a window model, H heads. A model
knows nothing of losses, samplers or FLOPs. `features` is everything below the output matrix,
for callers that need few of the logits. `past` carries what came before a row: for the window
models the preceding tokens, for self-attention keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lm.architectures.configs import (
    ROTARY_BASE,
    AttentionConfig,
    LinearConfig,
    MLPConfig,
    ModelConfig,
    TransformerConfig,
)
from lm.architectures.modules import cluster_shape
from lm.architectures.shared.hashing import table_rows
from lm.architectures.shared.products import Linear, causal_attention


class LanguageModel(nn.Module):
    """A next-token predictor. Position t sees tokens 0..t of its row and of its past, no more."""

    config: ModelConfig
    vocab_size: int
    lookback: int  # tokens before a row that complete its first window; 0 for self-attention
    embedding: nn.Embedding
    ngram_embedding: nn.Embedding | None
    ngram_projection: nn.Linear

    def features(self, token_ids: Tensor, past: Past | None = None) -> Tensor:
        """(B, T) -> (B, T, d), what the head reads. `past` is extended by `token_ids`."""
        raise NotImplementedError

    def new_past(self) -> Past:
        """An empty past, to be passed to successive calls."""
        raise NotImplementedError

    def forward(self, token_ids: Tensor, past: Past | None = None) -> Tensor:
        return self.head(self.features(token_ids, past))

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

    def _add_embeddings(self, config: ModelConfig, width: int) -> None:
        self.embedding = nn.Embedding(self.vocab_size, width)
        self.ngram_embedding = None
        lengths = config.ngram_order - 1
        if lengths:
            self.ngram_embedding = nn.Embedding(lengths * config.ngram_rows, config.ngram_width)
            self.ngram_projection = Linear(lengths * config.ngram_width, width, bias=False)
            nn.init.zeros_(self.ngram_embedding.weight)  # at first no more than its last token


def build_model(config: ModelConfig, vocab_size: int, seed: int = 0) -> LanguageModel:
    """A model with its first weights, which depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, LinearConfig | MLPConfig):
            return WindowModel(config, vocab_size)
        return SelfAttentionModel(config, vocab_size)


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


# --- window models: linear and mlp -----------------------------------------------------------


class WindowPast:
    """The tokens just before a row, (B, at most W - 1)."""

    def __init__(self, token_ids: Tensor | None = None) -> None:
        self.token_ids = token_ids


class WindowModel(LanguageModel):
    """Softmax regression (`linear`) or a perceptron (`mlp`) over the embeddings of a window."""

    def __init__(self, config: LinearConfig | MLPConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        self.lookback = config.context_length - 1
        self._add_embeddings(config, config.d_embed)
        self.hidden = nn.ModuleList()
        self.activation, self.dropout = nn.Identity(), nn.Identity()
        # a window of W tokens is as many n-grams, the last of which ends at its last token
        self.n_embedded = config.context_length - config.ngram_order + 1
        width = self.n_embedded * config.d_embed
        if isinstance(config, MLPConfig):
            self.activation = ACTIVATIONS[config.activation]()
            self.dropout = nn.Dropout(config.dropout)
            for _ in range(config.n_layers):
                self.hidden.append(Linear(width, config.d_hidden, config.bias))
                width = config.d_hidden
        self.head = Linear(width, vocab_size, config.bias)
        _initialize(self, config.initialization, residual_outputs=[])

    def new_past(self) -> WindowPast:
        return WindowPast()

    def features(self, token_ids: Tensor, past: WindowPast | None = None) -> Tensor:
        n_positions = token_ids.shape[1]
        if past is not None:
            if past.token_ids is not None:
                token_ids = torch.cat([past.token_ids, token_ids], dim=1)
            past.token_ids = token_ids[:, max(0, token_ids.shape[1] - self.lookback) :]
        wanted = n_positions + self.n_embedded - 1
        start = max(0, token_ids.shape[1] - wanted)
        before = token_ids[:, max(0, start - self.config.ngram_order + 1) : start]
        x = self.embed(token_ids[:, start:], before)
        # before the start of the text there is nothing: zeros
        x = F.pad(x, (0, 0, wanted - x.shape[1], 0))  # (B, n - 1 + T, d_embed)
        x = x.unfold(1, self.n_embedded, 1).flatten(2)  # (B, T, d_embed * n)
        for layer in self.hidden:
            x = self.dropout(self.activation(layer(x)))
        return x


# --- the output ---------------------------------------------------------------------------------


class TwoLevelHead(nn.Linear):
    """p(token | h) = p(its cluster | h) · p(token | cluster, h): two softmaxes of about √V terms.

    `weight` (V, d) has a row per token, `clusters.weight` one per run of consecutive ids
    (Goodman, arXiv cs/0108006). A loss needs the rows of one
    cluster alone: see `two_level_nats`.
    """

    def __init__(self, d: int, vocab_size: int, bias: bool = False) -> None:
        super().__init__(d, vocab_size, bias)
        self.n_clusters, self.size = cluster_shape(vocab_size)
        self.clusters = nn.Linear(d, self.n_clusters, bias)

    def forward(self, features: Tensor) -> Tensor:
        """(..., d) -> (..., V) log-probabilities."""
        missing = self.n_clusters * self.size - self.out_features
        scores = F.pad(super().forward(features), (0, missing), value=-math.inf)
        within = scores.unflatten(-1, (self.n_clusters, self.size)).log_softmax(-1)
        of_cluster = self.clusters(features).log_softmax(-1)  # (..., C)
        return (of_cluster[..., None] + within).flatten(-2)[..., : self.out_features]


# --- self-attention models: attention and transformer -------------------------------------------


class KeyValuePast:
    """Keys and values of the positions seen so far, per block (B, H, positions, d_head)."""

    def __init__(self, n_layers: int) -> None:
        self.n_positions = 0
        self.token_ids: Tensor | None = None  # (B, at most ngram_order - 1), the last ones
        self.blocks: list[tuple[Tensor, Tensor] | None] = [None] * n_layers

    def extend(self, block: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append a block's new keys and values; returns all of them."""
        seen = self.blocks[block]
        if seen is not None:
            keys = torch.cat([seen[0], keys], dim=2)
            values = torch.cat([seen[1], values], dim=2)
        self.blocks[block] = keys, values
        return keys, values

    def extend_tokens(self, token_ids: Tensor, n_kept: int) -> None:
        """Append tokens that were read, of which the last `n_kept` are wanted again."""
        self.n_positions += token_ids.shape[1]
        if self.token_ids is not None:
            token_ids = torch.cat([self.token_ids, token_ids], dim=1)
        self.token_ids = token_ids[:, max(0, token_ids.shape[1] - n_kept) :]


Past = WindowPast | KeyValuePast


class SelfAttentionModel(LanguageModel):
    """Blocks of causal self-attention, with feed-forward (`transformer`) or without it."""

    def __init__(self, config: AttentionConfig | TransformerConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.vocab_size, self.lookback = config, vocab_size, 0
        d, length = config.d_model, config.context_length
        self._add_embeddings(config, d)
        self.position_embedding: nn.Embedding | None = None
        if config.positional_encoding == "learned":
            self.position_embedding = nn.Embedding(length, d)
        elif config.positional_encoding == "sinusoidal":
            self.register_buffer("sinusoids", _sinusoids(length, d), persistent=False)
        elif config.positional_encoding == "rotary":
            self.register_buffer("rotations", _rotations(length, config.d_head), persistent=False)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.n_layers))
        self.final_norm = _norm(config) if config.norm_position == "pre" else nn.Identity()
        head = TwoLevelHead if config.output == "two_level" else Linear
        self.head = head(d, vocab_size, bias=False)
        if config.tie_embeddings:
            self.embedding.weight = self.head.weight
        outputs = [block.attention.output for block in self.blocks]
        outputs += [block.feed_forward.down for block in self.blocks if block.feed_forward]
        _initialize(self, config.initialization, outputs)

    def new_past(self) -> KeyValuePast:
        return KeyValuePast(len(self.blocks))

    def features(self, token_ids: Tensor, past: KeyValuePast | None = None) -> Tensor:
        start = past.n_positions if past else 0
        stop = start + token_ids.shape[1]
        if stop > self.config.context_length:
            raise ValueError(
                f"A row must not exceed context_length={self.config.context_length}. "
                f"Received: {stop} tokens."
            )
        x = self.embed(token_ids, past.token_ids if past else None)  # (B, T, d_model)
        if self.position_embedding is not None:
            x = x + self.position_embedding.weight[start:stop]
        elif self.config.positional_encoding == "sinusoidal":
            x = x + self.sinusoids[start:stop]
        rotation = None
        if self.config.positional_encoding == "rotary":
            rotation = self.rotations[:, start:stop]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, rotation, past)
        if past is not None:
            past.extend_tokens(token_ids, self.config.ngram_order - 1)
        return self.final_norm(x)


class Block(nn.Module):
    """Attention and, in a transformer, feed-forward, each added to the residual stream."""

    def __init__(self, config: AttentionConfig | TransformerConfig, index: int) -> None:
        super().__init__()
        self.pre_norm = config.norm_position == "pre"
        self.attention_norm = _norm(config)
        self.attention = CausalSelfAttention(config, index)
        self.feed_forward: FeedForward | None = None
        if isinstance(config, TransformerConfig):
            self.feed_forward_norm = _norm(config)
            self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, rotation: Tensor | None, past: KeyValuePast | None) -> Tensor:
        if self.pre_norm:
            x = x + self.attention(self.attention_norm(x), rotation, past)
            if self.feed_forward is not None:
                x = x + self.feed_forward(self.feed_forward_norm(x))
            return x
        x = self.attention_norm(x + self.attention(x, rotation, past))
        if self.feed_forward is not None:
            x = self.feed_forward_norm(x + self.feed_forward(x))
        return x


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention; a position attends to itself and what precedes it."""

    def __init__(self, config: AttentionConfig | TransformerConfig, index: int) -> None:
        super().__init__()
        self.index, self.n_heads, self.d_head = index, config.n_heads, config.d_head
        self.qk_norm = config.qk_norm
        width = config.n_heads * config.d_head
        self.query_key_value = Linear(config.d_model, 3 * width, config.bias)
        self.output = Linear(width, config.d_model, config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rotation: Tensor | None, past: KeyValuePast | None) -> Tensor:
        projected = self.query_key_value(x).unflatten(-1, (3, self.n_heads, self.d_head))
        projected = projected.permute(2, 0, 3, 1, 4)  # (3, B, H, T, d_head)
        queries_keys, values = projected.split((2, 1))
        if self.qk_norm:
            queries_keys = F.rms_norm(queries_keys, (self.d_head,))
        if rotation is not None:
            queries_keys = _rotate(queries_keys, rotation)
        queries, keys = queries_keys.unbind()  # each (B, H, T, d_head)
        values = values.squeeze(0)
        if past is not None:
            keys, values = past.extend(self.index, keys, values)
        dropout = self.dropout.p if self.training else 0.0
        if queries.shape[2] == keys.shape[2]:
            mixed = causal_attention(queries, keys, values, dropout)
        else:
            mask = _causal_mask(queries, keys)
            mixed = F.scaled_dot_product_attention(queries, keys, values, mask, dropout)
        return self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    """Two linear maps around a non-linearity; swiglu multiplies by a gate."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = Linear(config.d_model, config.d_ff, config.bias)
        self.gate: nn.Linear | None = None
        if config.activation == "swiglu":
            self.gate = Linear(config.d_model, config.d_ff, config.bias)
        self.activation = ACTIVATIONS[config.activation]()
        self.down = Linear(config.d_ff, config.d_model, config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is not None:
            inner = self.activation(self.gate(x)) * self.up(x)
        else:
            inner = self.activation(self.up(x))  # (B, T, d_ff)
        return self.dropout(self.down(inner))


class ReLUSquared(nn.Module):
    """max(0, x)², from Primer (arXiv 2109.08668)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "relu2": ReLUSquared, "swiglu": nn.SiLU}


def _norm(config: AttentionConfig | TransformerConfig) -> nn.Module:
    if config.norm == "rms":
        return nn.RMSNorm(config.d_model, eps=1e-6)
    return nn.LayerNorm(config.d_model, bias=config.bias)


def _causal_mask(queries: Tensor, keys: Tensor) -> Tensor | None:
    """What queries of the last positions may see; None for the very last, which sees all."""
    n_queries, n_keys = queries.shape[2], keys.shape[2]
    if n_queries == 1:
        return None
    mask = torch.ones(n_queries, n_keys, dtype=torch.bool, device=queries.device)
    return mask.tril(n_keys - n_queries)


def _sinusoids(length: int, width: int) -> Tensor:
    """(length, width): sines and cosines of geometric wavelengths (arXiv 1706.03762)."""
    pairs = math.ceil(width / 2)
    angles = torch.outer(torch.arange(length), 10_000.0 ** (-torch.arange(pairs) / pairs))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


def _rotations(length: int, d_head: int) -> Tensor:
    """(2, length, d_head / 2): cosines and sines of the rotary encoding (arXiv 2104.09864)."""
    pairs = d_head // 2
    angles = torch.outer(torch.arange(length), ROTARY_BASE ** (-torch.arange(pairs) / pairs))
    return torch.stack([angles.cos(), angles.sin()])


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn the pairs (i, i + d_head / 2) of x (..., T, d_head) by their position's angle."""
    cos, sin = rotation
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)


@torch.no_grad()
def _initialize(model: LanguageModel, kind: str, residual_outputs: list[nn.Linear]) -> None:
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
