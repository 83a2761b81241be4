"""The parts that models are made of, as `Module`s: for parameters and FLOPs, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from lm.architectures.shared.self_attention_config import SelfAttentionConfig
from lm.architectures.shared.window_config import WindowConfig
from lm.architectures.spec import Module


def linear_map(name: str, d_in: int, d_out: int, bias: bool, *, hidden: bool = True) -> Module:
    """A matrix (d_out, d_in) and perhaps an offset."""
    n_params = d_out * d_in + (d_out if bias else 0)
    return Module(name=name, n_params=n_params, weight=(d_out, d_in), hidden=hidden)


def embeddings(
    config: WindowConfig | SelfAttentionConfig, vocab_size: int, width: int, before: int = 0
) -> list[Module]:
    """The embeddings of tokens and of n-grams.

    Those of n-grams are computed for the `before` positions in front of each row too.
    """
    parts = [Module(name="embedding", n_params=vocab_size * width)]
    if config.ngram_order > 1:
        d_in = (config.ngram_order - 1) * config.ngram_width
        table = Module(name="ngram_embedding", n_params=config.ngram_rows * d_in, ngrams=True)
        projection = linear_map("ngram_projection", d_in, width, bias=False, hidden=False)
        parts += [table, replace(projection, before=before)]
    return parts


def output_map(d_in: int, vocab_size: int, bias: bool) -> Module:
    """From features to logits."""
    return replace(linear_map("head", d_in, vocab_size, bias, hidden=False), output=True)


def cluster_shape(vocab_size: int) -> tuple[int, int]:
    """Clusters of a two-level softmax, and the tokens in each: consecutive ids, √V of them.

    The last may have fewer; it is computed as if it had as many, so that every prediction costs
    the same. Words are numbered by frequency: a cluster holds words that are equally rare.
    """
    size = math.isqrt(vocab_size - 1) + 1
    return -(-vocab_size // size), size


def window_embeddings(config: WindowConfig, vocab_size: int) -> list[Module]:
    """The embeddings of a window model. Those before a row complete its first windows."""
    before = config.context_length - config.ngram_order
    return embeddings(config, vocab_size, config.d_embed, before)


def self_attention_modules(
    config: SelfAttentionConfig,
    vocab_size: int,
    feed_forward: Callable[[str], list[Module]] = lambda block: [],
) -> list[Module]:
    """The parts of a model of self-attention; `feed_forward` gives a block's, by its name."""
    d = config.d_model
    width = config.n_heads * config.head_width
    parts = embeddings(config, vocab_size, d)
    if config.positional_encoding == "learned":
        parts.append(Module(name="position_embedding", n_params=config.context_length * d))
    for i in range(config.n_layers):
        block = f"blocks.{i}"
        parts += [
            norm(config, f"{block}.attention_norm"),
            linear_map(f"{block}.attention.query_key_value", d, 3 * width, config.bias),
            Module(name=f"{block}.attention", n_params=0, attention_width=width),
            linear_map(f"{block}.attention.output", width, d, config.bias),
            *feed_forward(block),
        ]
    if config.norm_position == "pre":
        parts.append(norm(config, "final_norm"))
    head = output_map(d, vocab_size, bias=False)
    if config.tie_embeddings:
        head = replace(head, n_params=0)
    if config.output == "softmax":
        return [*parts, head]
    n_clusters, size = cluster_shape(vocab_size)
    clusters = replace(output_map(d, n_clusters, bias=False), name="head.clusters")
    return [*parts, clusters, replace(head, weight=(size, d))]


def norm(config: SelfAttentionConfig, name: str) -> Module:
    """A norm of the residual stream."""
    per_feature = 2 if config.norm == "layer" and config.bias else 1
    return Module(name=name, n_params=per_feature * config.d_model)
