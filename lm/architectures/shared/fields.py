"""Settings that several architectures have, each with its range and its help."""

from __future__ import annotations

from typing import Any, Literal

from lm.base.settings import Switch, Values, setting

Activation = Literal["relu", "gelu", "relu2", "swiglu"]
Initialization = Literal["pytorch", "gpt2", "zero_output"]


def context_length(default: int) -> Any:
    return setting(
        default,
        "Tokens a prediction may look back on.",
        ge=1,
        le=4096,
        unit="tokens",
        log=True,
        basic=True,
        step=8,
        tells="first",
    )


def d_embed(default: int, *, basic: bool = False) -> Any:
    return setting(
        default,
        "Width of one token's embedding.",
        ge=1,
        le=4096,
        unit="features",
        log=True,
        basic=basic,
        step=8,
        tells="first",
        label="Embedding",
    )


def ngram_order() -> Any:
    return setting(
        1,
        "Longest run of tokens that has an embedding of its own, added to its last token's; "
        "1: none has. Lookups are no FLOPs.",
        ge=1,
        le=8,
        unit="tokens",
        basic=True,
        switch=Switch(
            label="N-gram tables",
            help="Besides each token, the runs of two and more tokens that end at it are looked "
            "up, each in a table of its own. That costs no FLOPs and lowers the loss of every "
            "architecture, so much that they come to lie close together. Turn them off to compare "
            "the architectures alone.",
            off=1,
            on=4,
        ),
        label="Longest n-gram",
    )


def _has_ngrams(values: Values) -> bool:
    return values.get("ngram_order", 1) != 1


def ngram_rows() -> Any:
    return setting(
        32_768,
        "Rows in the table of each n-gram length; if there are more n-grams, some share one.",
        ge=1,
        le=2**22,
        unit="rows",
        log=True,
        applies=_has_ngrams,
        label="Rows per table",
    )


def ngram_width() -> Any:
    return setting(
        16,
        "Width of an n-gram's embedding, before a linear map to that of a token.",
        ge=1,
        le=1024,
        unit="features",
        log=True,
        applies=_has_ngrams,
        label="N-gram width",
    )


def ngram_dropout() -> Any:
    return setting(
        0.0,
        "Share of n-grams left out at random in training, so that rare ones are not trusted.",
        ge=0,
        lt=1,
        applies=_has_ngrams,
        label="N-gram dropout",
    )


def dropout() -> Any:
    return setting(
        0.0,
        "Share of activations zeroed at random during training; helps when data repeat.",
        ge=0,
        lt=1,
    )


def bias(default: bool) -> Any:
    return setting(default, "Add a learned offset to every linear map (and norm).")


def initialization() -> Any:
    return setting(
        "zero_output",
        "First weights. pytorch: each layer's own default; gpt2: normal, 0.02, residual outputs "
        "scaled by depth; zero_output: scaled by fan-in, outputs of blocks and head at zero.",
    )


def check_ngrams(order: int, context_length: int) -> None:
    """Raises ValueError for n-grams that are longer than what a prediction looks back on."""
    if order > context_length:
        raise ValueError(
            f"ngram_order must not exceed context_length. Received: ngram_order={order}, "
            f"context_length={context_length}."
        )
