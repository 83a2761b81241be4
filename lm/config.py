"""What a run is asked to do: frozen, validated values from which forms, options and errors follow.

Range, unit, help and default of a setting are written once, on its field. An impossible
combination cannot be constructed; the error is one sentence that names field, rule and value.
"""

from __future__ import annotations

import difflib
import math
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

SCHEMA_VERSION = 1
WORD_VOCAB_SIZE = 2_000  # from here on tokens are words, and not characters or short byte pairs
ROTARY_BASE = 1_000.0  # contexts are short here: 10,000 leaves half of the pairs almost still


class ConfigError(ValueError):
    """A setting that cannot be; the message names the field, the rule and the value received."""


def setting(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    unit: str = "",
    log: bool = False,
    basic: bool = False,
) -> Any:
    """A field with its rule and its words. `basic` ones show first, `log` ones on a log scale."""
    return Field(
        default,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        description=help,
        json_schema_extra={"unit": unit, "log": log, "basic": basic},
    )


class Config(BaseModel, frozen=True):
    """Base of every config: frozen, closed, and raising `ConfigError` alone."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_explain(type(self), error)) from None

    def replace(self, **values: Any) -> typing.Self:
        """A copy with some settings changed, validated like any other."""
        return type(self)(**{**self.model_dump(), **values})


# --- models -------------------------------------------------------------------------------

Activation = Literal["relu", "gelu", "relu2", "swiglu"]
PositionalEncoding = Literal["none", "learned", "sinusoidal", "rotary"]
Initialization = Literal["pytorch", "gpt2", "zero_output"]

_CONTEXT = "Tokens a prediction may look back on."
_BIAS = "Add a learned offset to every linear map (and norm)."
_DROPOUT = "Share of activations zeroed at random during training; helps when data repeat."
_NGRAM_ORDER = (
    "Longest run of tokens that has an embedding of its own, added to its last token's; "
    "1: none has. Lookups are no FLOPs."
)
_NGRAM_ROWS = "Rows in the table of each n-gram length; if there are more n-grams, some share one."
_NGRAM_WIDTH = "Width of an n-gram's embedding, before a linear map to that of a token."
_NGRAM_DROPOUT = (
    "Share of n-grams left out at random in training, so that rare ones are not trusted."
)
_INITIALIZATION = (
    "First weights. pytorch: each layer's own default; gpt2: normal, 0.02, residual outputs "
    "scaled by depth; zero_output: scaled by fan-in, outputs of blocks and head at zero."
)


class LinearConfig(Config):
    """Softmax regression over the embeddings of the last `context_length` tokens."""

    architecture: Literal["linear"] = "linear"
    context_length: int = setting(8, _CONTEXT, ge=1, le=4096, unit="tokens", log=True, basic=True)
    d_embed: int = setting(
        32, "Width of one token's embedding.", ge=1, le=4096, unit="features", log=True, basic=True
    )
    ngram_order: int = setting(1, _NGRAM_ORDER, ge=1, le=8, unit="tokens")
    ngram_rows: int = setting(32_768, _NGRAM_ROWS, ge=1, le=2**22, unit="rows", log=True)
    ngram_width: int = setting(16, _NGRAM_WIDTH, ge=1, le=1024, unit="features", log=True)
    ngram_dropout: float = setting(0.0, _NGRAM_DROPOUT, ge=0, lt=1)
    bias: bool = setting(True, _BIAS)
    initialization: Initialization = setting("zero_output", _INITIALIZATION)

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        _check_ngrams(self.ngram_order, self.context_length)
        return self


class MLPConfig(Config):
    """A multi-layer perceptron over the embeddings of the last `context_length` tokens."""

    architecture: Literal["mlp"] = "mlp"
    context_length: int = setting(12, _CONTEXT, ge=1, le=4096, unit="tokens", log=True, basic=True)
    d_embed: int = setting(
        16, "Width of one token's embedding.", ge=1, le=4096, unit="features", log=True
    )
    ngram_order: int = setting(1, _NGRAM_ORDER, ge=1, le=8, unit="tokens")
    ngram_rows: int = setting(32_768, _NGRAM_ROWS, ge=1, le=2**22, unit="rows", log=True)
    ngram_width: int = setting(16, _NGRAM_WIDTH, ge=1, le=1024, unit="features", log=True)
    ngram_dropout: float = setting(0.0, _NGRAM_DROPOUT, ge=0, lt=1)
    n_layers: int = setting(2, "Hidden layers.", ge=1, le=64, unit="layers", basic=True)
    d_hidden: int = setting(
        256, "Width of a hidden layer.", ge=1, le=16384, unit="features", log=True, basic=True
    )
    activation: Literal["relu", "gelu", "relu2"] = setting(
        "relu2", "Non-linearity of the hidden layers; relu2 is the square of ReLU."
    )
    dropout: float = setting(0.0, _DROPOUT, ge=0, lt=1)
    bias: bool = setting(True, _BIAS)
    initialization: Initialization = setting("zero_output", _INITIALIZATION)

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        _check_ngrams(self.ngram_order, self.context_length)
        return self


class _SelfAttentionConfig(Config):
    """What the two self-attention architectures share."""

    context_length: int = setting(64, _CONTEXT, ge=1, le=4096, unit="tokens", log=True, basic=True)
    n_layers: int = setting(2, "Blocks, one after another.", ge=1, le=64, unit="layers", basic=True)
    n_heads: int = setting(
        4, "Attention heads in each block.", ge=1, le=64, unit="heads", basic=True
    )
    d_model: int = setting(
        64, "Width of the residual stream.", ge=1, le=4096, unit="features", log=True, basic=True
    )
    positional_encoding: PositionalEncoding = setting(
        "rotary", "How a token's place is known: added vectors (learned, sinusoidal) or rotation."
    )
    ngram_order: int = setting(1, _NGRAM_ORDER, ge=1, le=8, unit="tokens")
    ngram_rows: int = setting(32_768, _NGRAM_ROWS, ge=1, le=2**22, unit="rows", log=True)
    ngram_width: int = setting(16, _NGRAM_WIDTH, ge=1, le=1024, unit="features", log=True)
    ngram_dropout: float = setting(0.0, _NGRAM_DROPOUT, ge=0, lt=1)
    norm: Literal["layer", "rms"] = setting("rms", "Normalisation of the residual stream.")
    norm_position: Literal["pre", "post"] = setting(
        "pre", "Normalise before each sublayer (pre) or after adding its output (post)."
    )
    tie_embeddings: bool = setting(
        False, "Use the token embedding as the output matrix, sharing its parameters."
    )
    output: Literal["softmax", "two_level"] = setting(
        "softmax",
        "How the next token is predicted: by one softmax over the vocabulary or, at a fraction "
        "of the FLOPs where it is large, by two: a cluster of tokens, then a token of it.",
    )
    dropout: float = setting(0.0, _DROPOUT, ge=0, lt=1)
    bias: bool = setting(False, _BIAS)
    qk_norm: bool = setting(
        True, "Normalise queries and keys in each head, which keeps attention scores bounded."
    )
    initialization: Initialization = setting("zero_output", _INITIALIZATION)


class AttentionConfig(_SelfAttentionConfig):
    """Blocks of multi-head causal self-attention, without feed-forward."""

    architecture: Literal["attention"] = "attention"
    d_head: int = setting(
        32, "Width of one attention head.", ge=1, le=1024, unit="features", log=True
    )

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        _check_ngrams(self.ngram_order, self.context_length)
        _check_rotary(self.positional_encoding, self.d_head, f"d_head={self.d_head}")
        return self


class TransformerConfig(_SelfAttentionConfig):
    """Blocks of multi-head causal self-attention and feed-forward."""

    architecture: Literal["transformer"] = "transformer"
    d_ff: int = setting(
        256, "Width inside the feed-forward layer.", ge=1, le=16384, unit="features", log=True
    )
    activation: Activation = setting(
        "relu2", "Non-linearity of the feed-forward; relu2 is ReLU squared, swiglu adds a gate."
    )

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        received = f"d_model={self.d_model}, n_heads={self.n_heads}"
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model must be divisible by n_heads. Received: {received}.")
        _check_ngrams(self.ngram_order, self.context_length)
        _check_rotary(self.positional_encoding, self.d_head, received)
        return self


def _check_ngrams(order: int, context_length: int) -> None:
    if order > context_length:
        raise ValueError(
            f"ngram_order must not exceed context_length. Received: ngram_order={order}, "
            f"context_length={context_length}."
        )


def _check_rotary(positional_encoding: str, d_head: int, received: str) -> None:
    if positional_encoding == "rotary" and d_head % 2:
        raise ValueError(
            f"positional_encoding 'rotary' needs an even head width. Received: {received}."
        )


ModelConfig = Annotated[
    LinearConfig | MLPConfig | AttentionConfig | TransformerConfig,
    Field(discriminator="architecture"),
]
ARCHITECTURES: dict[str, type[Config]] = {
    "linear": LinearConfig,
    "mlp": MLPConfig,
    "attention": AttentionConfig,
    "transformer": TransformerConfig,
}


def model_config(architecture: str, **values: Any) -> ModelConfig:
    """The config of a named architecture; `ConfigError` if there is no such architecture."""
    if architecture not in ARCHITECTURES:
        raise ConfigError(_unknown("architecture", architecture, list(ARCHITECTURES)))
    return ARCHITECTURES[architecture](**values)  # type: ignore[return-value]


# --- data ---------------------------------------------------------------------------------

Dataset = Literal[
    "tiny_shakespeare", "ptb", "wikitext-2", "known_entropy", "python_reference", "text"
]
TokenizerKind = Literal["char", "word", "byte", "bpe"]
WORD_DATASETS = ("ptb", "wikitext-2")


class DataConfig(Config):
    """A corpus, how it is split and how it becomes tokens."""

    dataset: Dataset = setting("tiny_shakespeare", "The text to learn from.", basic=True)
    split: Literal["study", "nanogpt"] = setting(
        "study", "Which cut into train, valid and test; nanogpt is Tiny Shakespeare's, no test."
    )
    tokenizer: TokenizerKind = setting(
        "char", "What one token is. Left out: words for PTB and WikiText-2, else characters."
    )
    bpe_vocab_size: int = setting(
        512, "Vocabulary of the bpe tokenizer.", ge=257, le=65536, unit="tokens", log=True
    )
    text_path: str | None = setting(None, "The file behind dataset 'text'.")
    n_chars: int = setting(
        1_000_000, "Length of known_entropy.", ge=1_000, le=100_000_000, unit="characters", log=True
    )
    seed: int = setting(0, "Seed of known_entropy.", ge=0, le=2**31 - 1)

    @model_validator(mode="before")
    @classmethod
    def _natural_tokenizer(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("tokenizer") is None:
            kind = "word" if values.get("dataset") in WORD_DATASETS else "char"
            return {**values, "tokenizer": kind}
        return values

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        if self.split == "nanogpt" and self.dataset != "tiny_shakespeare":
            raise ValueError(
                "split 'nanogpt' belongs to dataset 'tiny_shakespeare'. "
                f"Received: dataset='{self.dataset}'."
            )
        if (self.dataset == "text") != (self.text_path is not None):
            raise ValueError(
                "text_path goes with dataset 'text', and only with it. "
                f"Received: dataset='{self.dataset}', text_path={self.text_path!r}."
            )
        return self


# --- training -----------------------------------------------------------------------------


class TrainingConfig(Config):
    """How long and how a model is trained. Exactly one of budget, steps and epochs is set."""

    budget: float | None = setting(
        None,
        "Training FLOPs the run may spend.",
        gt=0,
        le=1e18,
        unit="FLOPs",
        log=True,
        basic=True,
    )
    steps: int | None = setting(
        None, "Optimizer updates, instead of a budget.", ge=1, le=10_000_000, unit="steps", log=True
    )
    epochs: float | None = setting(
        None, "Passes over the train split, instead of a budget.", gt=0, le=10_000, unit="epochs"
    )
    batch_size: int = setting(
        16, "Rows per step.", ge=1, le=65536, unit="rows", log=True, basic=True
    )
    sequence_length: int | None = setting(
        None,
        "Predictions per row. Left out: context_length; only linear and mlp may exceed it.",
        ge=1,
        le=65536,
        unit="tokens",
        log=True,
    )
    objective: Literal["all_positions", "last_position"] = setting(
        "all_positions",
        "Learn from every position of a row, or, as the study's first version, from the last.",
    )
    optimizer: Literal["adamw", "sgd", "muon"] = setting(
        "adamw", "The update rule; muon orthogonalises hidden matrices and uses AdamW elsewhere."
    )
    learning_rate: float = setting(
        0.01, "Peak step size (of Muon's matrices under muon).", gt=0, le=100, log=True, basic=True
    )
    adamw_learning_rate: float = setting(
        0.01, "Under muon: peak step size of embeddings, head and norms.", gt=0, le=100, log=True
    )
    weight_decay: float = setting(0.1, "Decoupled shrinking of matrices.", ge=0, le=100)
    beta1: float = setting(0.9, "AdamW: memory of the mean gradient.", ge=0, lt=1)
    beta2: float = setting(0.99, "AdamW: memory of the squared gradient.", ge=0, lt=1)
    momentum: float = setting(0.95, "SGD and Muon: memory of past updates.", ge=0, lt=1)
    schedule: Literal["constant", "cosine", "linear", "wsd"] = setting(
        "linear",
        "Learning rate after warm-up: constant, cosine or straight line to the end, or wsd: "
        "stable, then a straight line over the last part.",
    )
    warmup_fraction: float = setting(
        0.02, "Share of the steps in which the learning rate rises.", ge=0, le=0.9
    )
    decay_fraction: float = setting(0.2, "wsd: share of the steps that decay.", gt=0, le=1)
    final_lr_fraction: float = setting(
        0.0, "Learning rate at the end, as a share of its peak.", ge=0, le=1
    )
    z_loss: float = setting(
        0.0,
        "Weight of (log Z)² beside the loss, Z being the denominator of the output's softmax: a "
        "regulariser that holds logits, and with them confidence, back.",
        ge=0,
        le=100,
    )
    grad_clip: float = setting(1.0, "Largest gradient norm; 0 clips nothing.", ge=0, le=1e6)
    seed: int = setting(0, "First weights, data order and dropout.", ge=0, le=2**31 - 1)
    threads: int | None = setting(
        None,
        "Threads to compute on, each a process where there are several on Linux. Left out: "
        "chosen for this machine, and stored.",
        ge=1,
        le=1024,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Where to compute.")
    precision: Literal["float32", "bfloat16"] = setting(
        "float32",
        "Numbers that large matrices are multiplied in; bfloat16 is faster where the processor "
        "has instructions for it, and slower elsewhere.",
    )

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        horizons = {"budget": self.budget, "steps": self.steps, "epochs": self.epochs}
        given = {name: value for name, value in horizons.items() if value is not None}
        if len(given) != 1:
            received = ", ".join(f"{name}={value:g}" for name, value in given.items()) or "none"
            raise ValueError(
                f"budget, steps and epochs exclude each other; give one. Received: {received}."
            )
        return self


class RunConfig(Config):
    """Everything that determines the result of a run."""

    preset: str = "modern"
    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    @model_validator(mode="after")
    def _check(self) -> typing.Self:
        architecture, context_length = self.model.architecture, self.model.context_length
        row = self.training.sequence_length
        if architecture in ("attention", "transformer") and row and row > context_length:
            raise ValueError(
                f"training.sequence_length must not exceed model.context_length for "
                f"{architecture}. Received: sequence_length={row}, "
                f"context_length={context_length}."
            )
        if self.training.optimizer == "muon" and architecture == "linear":
            raise ValueError(
                "training.optimizer must be adamw or sgd for linear, which has no hidden matrix "
                "for Muon to orthogonalise. Received: 'muon'."
            )
        return self

    @property
    def sequence_length(self) -> int:
        """Positions per row, the default resolved.

        A window model that learns from the last position of a row needs no other.
        """
        window = self.model.architecture in ("linear", "mlp")
        if window and self.training.objective == "last_position":
            return 1
        return self.training.sequence_length or self.model.context_length


# --- sampling -----------------------------------------------------------------------------


class Sampling(Config):
    """How the next token is drawn. Filters apply in the order of the fields."""

    temperature: float = setting(
        1.0, "Below 1 sharper, above 1 flatter; 0: the likeliest.", ge=0, le=10, basic=True
    )
    top_k: int | None = setting(
        None, "Keep this many of the likeliest tokens. Left out: all.", ge=1, le=65536, log=True
    )
    top_p: float = setting(
        1.0, "Keep the fewest likeliest tokens whose probabilities reach this sum.", gt=0, le=1
    )
    min_p: float = setting(
        0.0, "Drop tokens less probable than this share of the likeliest one.", ge=0, le=1
    )
    seed: int = setting(0, "The same seed draws the same text.", ge=0, le=2**31 - 1, basic=True)


# --- what forms and the command line are made from -------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a config as a form sees it."""

    name: str
    kind: Literal["int", "float", "bool", "choice", "text"]
    default: Any
    optional: bool
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool
    exclusive_maximum: bool
    choices: tuple[str, ...]
    unit: str
    help: str
    log: bool
    basic: bool


def settings(config_class: type[Config]) -> dict[str, Setting]:
    """The settings of a config class by name, in order; its `architecture` tag is left out."""
    return {
        name: _setting(name, field)
        for name, field in config_class.model_fields.items()
        if field.description
    }


def _setting(name: str, field: FieldInfo) -> Setting:
    options = [a for a in get_args(field.annotation) if a is not type(None)]
    optional = type(None) in get_args(field.annotation)
    annotation = options[0] if optional else field.annotation
    choices: tuple[str, ...] = ()
    if get_origin(annotation) is Literal:
        kind, choices = "choice", get_args(annotation)
    else:
        kind = {int: "int", float: "float", bool: "bool"}.get(annotation, "text")  # type: ignore[arg-type]
    bound: dict[str, float] = {}
    for rule in field.metadata:
        for key in ("ge", "gt", "le", "lt"):
            if (value := getattr(rule, key, None)) is not None:
                bound[key] = value
    extra = typing.cast(dict[str, Any], field.json_schema_extra or {})
    return Setting(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        default=field.default,
        optional=optional,
        minimum=bound.get("ge", bound.get("gt")),
        maximum=bound.get("le", bound.get("lt")),
        exclusive_minimum="gt" in bound,
        exclusive_maximum="lt" in bound,
        choices=choices,
        unit=extra.get("unit", ""),
        help=field.description or "",
        log=extra.get("log", False),
        basic=extra.get("basic", False),
    )


def rule(setting: Setting) -> str:
    """What a value must be, in words: "a whole number from 1 to 64"."""
    if setting.kind == "choice":
        return "one of " + ", ".join(setting.choices)
    if setting.kind == "bool":
        return "true or false"
    if setting.kind == "text":
        return "text"
    noun = "a whole number" if setting.kind == "int" else "a number"
    low, high = setting.minimum, setting.maximum
    if low is None or high is None:
        return noun
    above = "above" if setting.exclusive_minimum else "from"
    below = "below" if setting.exclusive_maximum else "to"
    if setting.exclusive_minimum or setting.exclusive_maximum:
        below = f"and {'up ' if below == 'to' else ''}{below}"
    return f"{noun} {above} {_plain(low)} {below} {_plain(high)}"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == math.floor(value) and abs(value) < 1e10 else f"{value:g}"


def _unknown(what: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{what} must be one of {', '.join(known)}. Received: {name!r}.{hint}"


def _explain(config_class: type[Config], error: ValidationError) -> str:
    """The first thing that is wrong, as one sentence in our words."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"] if part not in ARCHITECTURES]
    name = ".".join(location)
    known = settings(config_class)
    received = f" Received: {first['input']!r}."
    if first["type"] == "value_error":
        cause = str(first["ctx"]["error"])
        return f"{name}.{cause}" if name else cause
    if first["type"] == "extra_forbidden":
        return _unknown("A setting", name, list(known)).replace(
            "A setting", f"{_label(config_class)} setting"
        )
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = first["input"].get("architecture") if isinstance(first["input"], dict) else None
        return _unknown("model.architecture", str(tag), list(ARCHITECTURES))
    if len(location) == 1 and name in known:
        return f"{name} must be {rule(known[name])}.{received}"
    if first["type"] == "missing":
        return f"{name} is missing."
    return f"{name}: {first['msg']}.{received}"


def _label(config_class: type[Config]) -> str:
    return config_class.__name__.removesuffix("Config").lower()
