"""The parts of each architecture: what they store, and which matrix products they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lm.architectures.configs import (
    AttentionConfig,
    LinearConfig,
    MLPConfig,
    ModelConfig,
    TransformerConfig,
)


@dataclass(frozen=True, kw_only=True)
class Module:
    """A part of a model: what it stores and which matrix product it is."""

    name: str
    n_params: int
    weight: tuple[int, int] | None = None  # (d_out, d_in) of a linear map
    attention_width: int = 0  # n_heads * d_head where queries meet keys and values
    hidden: bool = False  # a matrix that Muon orthogonalises
    before: int = 0  # positions before each row for which it is computed too
    output: bool = False  # applied once per prediction, not once per position


def modules(config: ModelConfig, vocab_size: int) -> list[Module]:
    """The parts of a model in the order of computation, by the names of their weights."""
    if isinstance(config, LinearConfig | MLPConfig):
        return _window_modules(config, vocab_size)
    return _self_attention_modules(config, vocab_size)


def n_params(config: ModelConfig, vocab_size: int) -> int:
    """Trainable numbers of a model, shared ones counted once."""
    return sum(module.n_params for module in modules(config, vocab_size))


def _linear(name: str, d_in: int, d_out: int, bias: bool, hidden: bool = True) -> Module:
    n = d_out * d_in + (d_out if bias else 0)
    return Module(name=name, n_params=n, weight=(d_out, d_in), hidden=hidden)


def _embeddings(config: ModelConfig, vocab_size: int, width: int) -> list[Module]:
    parts = [Module(name="embedding", n_params=vocab_size * width)]
    if config.ngram_order > 1:
        d_in = (config.ngram_order - 1) * config.ngram_width
        projection = _linear("ngram_projection", d_in, width, bias=False, hidden=False)
        if isinstance(config, LinearConfig | MLPConfig):
            projection = replace(projection, before=config.context_length - config.ngram_order)
        parts += [Module(name="ngram_embedding", n_params=config.ngram_rows * d_in), projection]
    return parts


def _head(d_in: int, vocab_size: int, bias: bool) -> Module:
    return replace(_linear("head", d_in, vocab_size, bias, hidden=False), output=True)


def cluster_shape(vocab_size: int) -> tuple[int, int]:
    """Clusters of a two-level softmax, and the tokens in each: consecutive ids, √V of them.

    The last may have fewer; it is computed as if it had as many, so that every prediction costs
    the same. Words are numbered by frequency: a cluster holds words that are equally rare.
    """
    size = math.isqrt(vocab_size - 1) + 1
    return -(-vocab_size // size), size


def _window_modules(config: LinearConfig | MLPConfig, vocab_size: int) -> list[Module]:
    parts = _embeddings(config, vocab_size, config.d_embed)
    width = (config.context_length - config.ngram_order + 1) * config.d_embed
    if isinstance(config, MLPConfig):
        for i in range(config.n_layers):
            parts.append(_linear(f"hidden.{i}", width, config.d_hidden, config.bias))
            width = config.d_hidden
    return [*parts, _head(width, vocab_size, config.bias)]


def _self_attention_modules(
    config: AttentionConfig | TransformerConfig, vocab_size: int
) -> list[Module]:
    d = config.d_model
    width = config.n_heads * config.d_head
    norm_params = 2 * d if config.norm == "layer" and config.bias else d
    parts = _embeddings(config, vocab_size, d)
    if config.positional_encoding == "learned":
        parts.append(Module(name="position_embedding", n_params=config.context_length * d))
    for i in range(config.n_layers):
        name = f"blocks.{i}.attention"
        parts += [
            Module(name=f"blocks.{i}.attention_norm", n_params=norm_params),
            _linear(f"{name}.query_key_value", d, 3 * width, config.bias),
            Module(name=name, n_params=0, attention_width=width),
            _linear(f"{name}.output", width, d, config.bias),
        ]
        if isinstance(config, TransformerConfig):
            name = f"blocks.{i}.feed_forward"
            parts.append(Module(name=f"blocks.{i}.feed_forward_norm", n_params=norm_params))
            if config.activation == "swiglu":
                parts.append(_linear(f"{name}.gate", d, config.d_ff, config.bias))
            parts += [
                _linear(f"{name}.up", d, config.d_ff, config.bias),
                _linear(f"{name}.down", config.d_ff, d, config.bias),
            ]
    if config.norm_position == "pre":
        parts.append(Module(name="final_norm", n_params=norm_params))
    head = _head(d, vocab_size, bias=False)
    if config.tie_embeddings:
        head = replace(head, n_params=0)
    if config.output == "softmax":
        return [*parts, head]
    n_clusters, size = cluster_shape(vocab_size)
    clusters = replace(_head(d, n_clusters, bias=False), name="head.clusters")
    return [*parts, clusters, replace(head, weight=(size, d))]
