"""The parts that models are made of, as `Module`s: for parameters and compute, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from lm.architectures.shared.self_attention_config import SelfAttentionConfig
from lm.architectures.shared.window_config import WindowConfig
from lm.architectures.spec import Module
from lm.architectures.work import Per, Work


def linear_map(
    name: str,
    d_in: int,
    d_out: int,
    bias: bool,
    *then: Work,
    hidden: bool = True,
    per: Per = "position",
) -> Module:
    """A matrix (d_out, d_in) and perhaps an offset; `then` is computed with what comes out."""
    n_params = d_out * d_in + (d_out if bias else 0)
    offset = (Work("bias", d_out, per),) if bias else ()
    weight = (d_out, d_in)
    return Module(name=name, n_params=n_params, weight=weight, hidden=hidden, work=(*offset, *then))


def dropped(p: float, width: int, *, pairs: bool = False) -> tuple[Work, ...]:
    """Dropout of a share `p`, if there is any."""
    return (Work("dropout", width, pairs=pairs),) if p else ()


def activated(name: str, width: int) -> tuple[Work, ...]:
    """A non-linearity by its name in configs; swiglu is a gate, which has a map of its own."""
    if name == "swiglu":
        return (Work("silu", width), Work("product", width))
    return (Work(name, width),)


def embeddings(
    config: WindowConfig | SelfAttentionConfig, vocab_size: int, width: int, before: int = 0
) -> list[Module]:
    """The embeddings of tokens and of n-grams, also for `before` positions in front of each row."""
    table = Module(
        name="embedding",
        n_params=vocab_size * width,
        before=before,
        work=(Work("lookup", width, "read"), Work("zeros", vocab_size * width, "step")),
    )
    if config.ngram_order == 1:
        return [table]
    lengths = config.ngram_order - 1
    d_in = lengths * config.ngram_width
    left_out = (Work("dropout", lengths, "read"), Work("scale", d_in, "read"))
    ngrams = Module(
        name="ngram_embedding",
        n_params=config.ngram_rows * d_in,
        before=before,
        ngrams=True,
        work=(
            Work("hash", lengths, "read"),
            Work("lookup", d_in, "read"),
            *(left_out if config.ngram_dropout else ()),
        ),
    )
    added = Work("add", width, "read")
    projection = linear_map("ngram_projection", d_in, width, False, added, hidden=False)
    return [table, ngrams, replace(projection, before=before)]


def output_map(d_in: int, vocab_size: int, bias: bool, name: str = "head") -> Module:
    """From features to logits, and to their softmax's cost of a prediction."""
    loss = Work("cross_entropy", vocab_size, "prediction", rows=1)
    head = linear_map(name, d_in, vocab_size, bias, loss, hidden=False, per="prediction")
    return replace(head, output=True)


def cluster_shape(vocab_size: int) -> tuple[int, int]:
    """Clusters of a two-level softmax, and the tokens in each: consecutive ids, √V of them.

    The last may have fewer; it is computed as if it had as many, so that every prediction costs
    the same. Words are numbered by frequency: a cluster holds words that are equally rare.
    """
    size = math.isqrt(vocab_size - 1) + 1
    return -(-vocab_size // size), size


def window_embeddings(config: WindowConfig, vocab_size: int) -> list[Module]:
    """The embeddings of a window model. Those before a row complete its first windows."""
    *first, last = embeddings(config, vocab_size, config.d_embed, before=config.n_embedded - 1)
    windows = Work("window", config.n_embedded * config.d_embed)
    return [*first, replace(last, work=(*last.work, windows))]


def self_attention_modules(
    config: SelfAttentionConfig,
    vocab_size: int,
    feed_forward: Callable[[str], list[Module]] = lambda block: [],
) -> list[Module]:
    """The parts of a model of self-attention; `feed_forward` gives a block's, by its name."""
    d, heads = config.d_model, config.n_heads
    width = heads * config.head_width
    first, *ngrams = embeddings(config, vocab_size, d)
    dropout = dropped(config.dropout, d)
    placed: tuple[Work, ...] = ()
    if config.positional_encoding == "sinusoidal":
        placed = (Work("constant", d),)
    parts = [replace(first, work=(*first.work, *placed, *dropout)), *ngrams]
    if config.positional_encoding == "learned":
        places = Module(
            name="position_embedding",
            n_params=config.context_length * d,
            work=(Work("bias", d), Work("zeros", config.context_length * d, "step")),
        )
        parts.append(places)
    turned = (Work("rotate", 2 * width),) if config.positional_encoding == "rotary" else ()
    bounded = (Work("unit_norm", 2 * width, rows=2 * heads),) if config.qk_norm else ()
    weighed = (
        Work("mask", heads, pairs=True),
        Work("softmax", heads, rows=heads, pairs=True),
        *dropped(config.dropout, heads, pairs=True),
    )
    added = (*dropout, Work("add", d))
    for i in range(config.n_layers):
        block = f"blocks.{i}"
        name = f"{block}.attention"
        parts += [
            norm(config, f"{block}.attention_norm"),
            linear_map(f"{name}.query_key_value", d, 3 * width, config.bias, *bounded, *turned),
            Module(name=name, n_params=0, attention_width=width, work=weighed),
            linear_map(f"{name}.output", width, d, config.bias, *added),
            *feed_forward(block),
        ]
    if config.norm_position == "pre":
        parts.append(norm(config, "final_norm"))
    if config.two_level:
        n_clusters, size = cluster_shape(vocab_size)
        parts.append(output_map(d, n_clusters, bias=False, name="head.clusters"))
        head = replace(output_map(d, size, bias=False), n_params=vocab_size * d)
    else:
        head = output_map(d, vocab_size, bias=False)
    if config.tie_embeddings:
        meet = Work("meet", vocab_size * d, "step")
        head = replace(head, n_params=0, work=(*head.work, meet))
    return [*parts, head]


def norm(config: SelfAttentionConfig, name: str) -> Module:
    """A norm of the residual stream."""
    offset = config.norm == "layer" and config.bias
    work = [Work(f"{config.norm}_norm", config.d_model, rows=1)]
    if offset:
        work.append(Work("bias", config.d_model))
    return Module(name=name, n_params=(1 + offset) * config.d_model, work=tuple(work))
