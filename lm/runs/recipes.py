"""Presets: from a budget and a corpus to every setting of a run.

`modern`, the default, lets size, context, batch and learning rate follow from the budget, by
ladders of recipes found on validation loss of Tiny Shakespeare's characters. `study` does so too,
by ladders that stay as they are, without embeddings of n-grams: so its runs compare the
architectures alone, and remain what they were. `classic` is the coursework's setup and `nanogpt`
nanoGPT's, both fixed.
"""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass, field
from typing import Any

from lm.architectures.configs import ModelConfig, model_config
from lm.architectures.modules import modules
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import TOKENIZERS, WORD_VOCAB_SIZE
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.updates.config import TrainingConfig

PRESETS = {
    "modern": "Sized for the budget, with what pays: n-grams of characters, two levels of words.",
    "study": "The study's: sized for the budget, embeddings of single tokens; kept as it is.",
    "classic": "The coursework's: post-norm, ReLU, learned positions, constant learning rate.",
    "nanogpt": "nanoGPT's GPT and its CPU settings, to the letter (transformer only).",
}
REFERENCE_BUDGET = 1e12  # sizes the model where the horizon is given in steps or epochs
REFERENCE_VOCAB_SIZE = 65  # the ladders' own: Tiny Shakespeare's characters
NGRAM_ROWS = 16_384  # a megabyte for each length of n-gram
MIN_STEPS = 100  # where a budget is small, batches shrink rather than the steps

HORIZONS = ("budget", "steps", "epochs")
SHORT_NAMES = {  # of settings that are asked for often
    "dataset": "data.dataset",
    "split": "data.split",
    "text": "data.text_path",
    "tokenizer": "data.tokenizer",
    "budget": "training.budget",
    "steps": "training.steps",
    "epochs": "training.epochs",
    "seed": "training.seed",
    "device": "training.device",
}

Values = dict[str, Any]


@dataclass(frozen=True)
class Rung:
    """A recipe for characters from `budget` FLOPs on, until the next rung's."""

    budget: float
    model: Values
    training: Values = field(default_factory=dict)


# Muon pays where a step has tokens enough for its own products. Transformer, validation loss under
# Muon and AdamW: 1.925 and 1.926 at 1e11 FLOPs (512 tokens a step), 1.787 and 1.849 at 3e11 (768),
# 1.680 and 1.713 at 1e12 (1,024).
_MUON: Values = {"optimizer": "muon", "learning_rate": 0.02, "adamw_learning_rate": 0.01}
_ADAMW: Values = {"optimizer": "adamw", "learning_rate": 0.02}
_SLOW: Values = {"optimizer": "adamw", "learning_rate": 0.01}


def _linear(
    budget: float, context: int, d_embed: int, batch: int, rate: float, ngrams: int = 1
) -> Rung:
    return Rung(
        budget,
        {"context_length": context, "d_embed": d_embed, **_ngrams(ngrams)},
        {"batch_size": batch, "sequence_length": 64, "learning_rate": rate},
    )


def _mlp(
    budget: float,
    context: int,
    d_embed: int,
    width: int,
    depth: int,
    batch: int,
    rate: float,
    ngrams: int = 1,
) -> Rung:
    shape = {"context_length": context, "d_embed": d_embed, "d_hidden": width, "n_layers": depth}
    training = {"batch_size": batch, "sequence_length": 64, "learning_rate": rate}
    return Rung(budget, {**shape, **_ngrams(ngrams)}, training)


def _attention(
    budget: float,
    d: int,
    layers: int,
    heads: int,
    context: int,
    batch: int,
    update: Values = _MUON,
    ngrams: int = 1,
) -> Rung:
    shape = {"d_model": d, "n_layers": layers, "n_heads": heads, "context_length": context}
    return Rung(budget, {**shape, **_ngrams(ngrams)}, {"batch_size": batch, **update})


def _transformer(budget: float, d: int, *shape: Any, **others: Any) -> Rung:
    """As `_attention` takes it, with a feed-forward of four times the width."""
    rung = _attention(budget, d, *shape, **others)
    return Rung(rung.budget, {**rung.model, "d_ff": 4 * d}, rung.training)


def _ngrams(order: int) -> Values:
    return {"ngram_order": order, "ngram_rows": NGRAM_ROWS} if order > 1 else {}


def _dropping_ngrams(rung: Rung) -> Rung:
    """For a text that is seen more than once. nanoGPT's split, without and with: validation loss
    1.468 and 1.457 at 3e13 FLOPs (2 times through), 1.516 and 1.515 at 3e12 (1.5 times)."""
    return Rung(rung.budget, {**rung.model, "ngram_dropout": 0.2}, rung.training)


# With words nearly all products are the head's, and Muon's own vanish beside them. On PTB at 1e12
# FLOPs, d_model 64: validation 5.58 tied and 5.66 untied under Muon, 5.82 and 6.02 under AdamW.
_TIED: Values = {"tie_embeddings": True}

STUDY: dict[str, tuple[Rung, ...]] = {
    "linear": (
        _linear(0, 4, 16, 8, 0.01),
        _linear(3e10, 8, 16, 16, 0.01),
        _linear(3e11, 8, 32, 32, 0.01),
    ),
    "mlp": (
        _mlp(0, 6, 16, 48, 1, 4, 0.01),
        _mlp(2e10, 8, 16, 96, 1, 16, 0.01),
        _mlp(3e11, 12, 16, 256, 2, 16, 0.005),
        _mlp(3e13, 16, 24, 512, 2, 64, 0.003),
    ),
    "attention": (
        _attention(0, 16, 1, 1, 16, 4, _ADAMW),
        _attention(2e10, 32, 2, 2, 32, 8, _ADAMW),
        _attention(2.5e11, 64, 3, 4, 64, 16),
        _attention(3e12, 96, 4, 4, 128, 32),
        _attention(3e13, 160, 5, 6, 128, 48),
    ),
    "transformer": (
        _transformer(0, 16, 1, 1, 16, 8, _ADAMW),
        _transformer(2e10, 24, 1, 2, 32, 8, _ADAMW),
        _transformer(5e10, 32, 2, 2, 32, 8, _ADAMW),
        _transformer(2e11, 48, 2, 2, 48, 16),
        _transformer(6e11, 64, 2, 4, 64, 16),
        _transformer(3e12, 96, 3, 4, 128, 32),
        _transformer(2e13, 128, 4, 4, 128, 32),
        _transformer(5e13, 160, 4, 5, 128, 32),
    ),
}

# N-grams with embeddings of their own do for little what a model learns slowly. Order 1 and 5 at
# 1e11 FLOPs, validation loss: linear 2.22 and 1.548, MLP 1.832 and 1.539; transformer at 2e11
# 1.839 and 1.580, at 1e12 1.680 and 1.483 (order 6: 1.478). A table of twice the rows gains 0.015
# (MLP at 1e11: 1.539, 1.519, 1.510 from 16,384 rows on) and takes twice the memory.
#
# From 2e12 on a transformer gains by seeing the text again, n-grams being left out at random.
# nanoGPT's split: 1.494 at 3e12 (d_model 64, 2.2 times through) and 1.501 (96, 1.5 times); at 1e13
# 1.457 (64, 5.7 times), 1.475 (96) and 1.472 (128, 2 times); at 3e13 1.429 (128, 4.4 times), 1.440
# (160) and 1.459 (192, 1.9 times); at 5e13 1.414 (160, 4.3 times), 1.432 (192) and, before the
# penalty, 1.462 (224) and 1.485 (288). That of 9e13 follows from these: 1.374 on the study's split
# at 1e14, where 192 had ended at 1.392 with 5e13.
# The MLP is better wide: study's split at 1e13, 1.492 with 2,048, 1.544 with 1,024; at 3e12 1.480
# with n-grams left out and 1.485 without. Beyond that it gains nothing: 1.494 at 3e13 with 4,096.
# Linear at 1e13: 1.535 with d_embed 256, at 1e12 1.539 with 64.
MODERN: dict[str, tuple[Rung, ...]] = {
    "linear": (
        _linear(0, 6, 16, 8, 0.01, ngrams=4),
        _linear(3e9, 8, 16, 8, 0.01, ngrams=5),
        _linear(3e10, 8, 16, 16, 0.01, ngrams=5),
        _linear(3e11, 8, 32, 32, 0.01, ngrams=4),
        _linear(8e11, 12, 64, 32, 0.01, ngrams=4),
        _dropping_ngrams(_linear(8e12, 12, 256, 36, 0.01, ngrams=4)),
    ),
    "mlp": (
        _mlp(0, 6, 16, 48, 1, 4, 0.01, ngrams=5),
        _mlp(2e10, 8, 16, 96, 1, 16, 0.01, ngrams=5),
        _mlp(3e11, 12, 16, 256, 1, 16, 0.005, ngrams=6),
        _mlp(8e11, 12, 32, 512, 1, 16, 0.005, ngrams=6),
        _dropping_ngrams(_mlp(2.5e12, 12, 32, 1024, 1, 16, 0.005, ngrams=6)),
        _dropping_ngrams(_mlp(8e12, 12, 64, 2048, 1, 32, 0.003, ngrams=6)),
        _dropping_ngrams(_mlp(2.5e13, 12, 64, 4096, 1, 64, 0.003, ngrams=6)),
    ),
    "attention": (
        _attention(0, 16, 1, 1, 16, 4, _ADAMW, ngrams=5),
        _attention(2e10, 32, 2, 2, 32, 8, _ADAMW, ngrams=5),
        _attention(2.5e11, 64, 3, 4, 64, 16, ngrams=6),
        _attention(2e12, 128, 3, 4, 64, 16, ngrams=6),
        _dropping_ngrams(_attention(8e12, 192, 4, 4, 64, 16, ngrams=5)),
        _dropping_ngrams(_attention(2.5e13, 256, 5, 4, 128, 16, ngrams=4)),
    ),
    "transformer": (
        _transformer(0, 16, 1, 1, 16, 8, _SLOW, ngrams=5),
        _transformer(2e10, 24, 1, 2, 32, 16, _SLOW, ngrams=6),
        _transformer(2e11, 32, 1, 2, 32, 16, _SLOW, ngrams=6),
        _transformer(6e11, 96, 1, 4, 64, 16, ngrams=6),
        _dropping_ngrams(_transformer(2e12, 64, 3, 4, 128, 16, ngrams=5)),
        _dropping_ngrams(_transformer(8e12, 64, 4, 4, 128, 16, ngrams=4)),
        _dropping_ngrams(_transformer(2.5e13, 128, 4, 4, 128, 16, ngrams=4)),
        _dropping_ngrams(_transformer(4.5e13, 160, 4, 4, 256, 8, ngrams=4)),
        _dropping_ngrams(_transformer(9e13, 224, 4, 4, 256, 8, ngrams=4)),
    ),
}
# Validation and test loss of the study's split, without and with 0.1, at 1e12 FLOPs: transformer
# 1.476 and 1.470, 1.695 and 1.674; attention 1.485 and 1.484, 1.694 and 1.674; MLP 1.516 and 1.505,
# 1.741 and 1.705; linear 1.551 and 1.539, 1.794 and 1.768. All gain at 1e11; at 1e10 some lose.
# Words of PTB do not: 4.770 and 4.797 at 3e12 (0.01: 4.774), 4.927 and 4.919 at 1e12 (4.908).
Z_LOSS = 0.1
Z_LOSS_BUDGET = 2e10

_TWO_LEVELS: Values = {"output": "two_level"}


def _words(rung: Rung) -> Rung:
    return Rung(rung.budget, {**rung.model, **_TWO_LEVELS}, rung.training)


# From WORD_VOCAB_SIZE on. Two levels make a prediction a tenth as dear. PTB at 1e12 FLOPs, d_model
# 48: validation loss 4.92, and 5.44 with one level (d_model 32, its best); tied 5.03 and untied
# 5.07, Muon 4.92 and AdamW 5.09. N-grams of words do not pay: order 2 gains 0.02 there, and loses
# 0.07 at 3e12 and 0.20 at 1e13. At 3e12 three layers reach 4.77 and two 4.85.
WORDS: dict[str, tuple[Rung, ...]] = {
    "attention": (
        _words(_attention(0, 16, 1, 1, 16, 8)),
        _words(_attention(5e10, 24, 1, 2, 32, 16)),
        _words(_attention(5e11, 48, 3, 2, 64, 16)),
        _words(_attention(2e12, 64, 4, 4, 64, 32)),
        _words(_attention(8e12, 96, 4, 4, 64, 32)),
        _words(_attention(3e13, 128, 5, 4, 64, 32)),
    ),
    "transformer": (
        _words(_transformer(0, 16, 1, 1, 16, 8)),
        _words(_transformer(5e10, 24, 1, 2, 32, 16)),
        _words(_transformer(5e11, 48, 2, 2, 64, 16)),
        _words(_transformer(2e12, 64, 3, 4, 64, 32)),
        _words(_transformer(8e12, 96, 3, 4, 64, 32)),
        _words(_transformer(3e13, 128, 4, 4, 64, 32)),
    ),
}
LADDERS = {"modern": MODERN, "study": STUDY}

_CLASSIC_ATTENTION: Values = {
    "d_model": 128,
    "n_layers": 3,
    "n_heads": 4,
    "context_length": 128,
    "positional_encoding": "learned",
    "norm": "layer",
    "norm_position": "post",
    "dropout": 0.1,
    "bias": True,
    "qk_norm": False,
    "initialization": "pytorch",
}
_CLASSIC_WINDOW: Values = {"context_length": 128, "d_embed": 128, "initialization": "pytorch"}
_CLASSIC_TRAINING: Values = {
    "batch_size": 64,
    "learning_rate": 3e-4,
    "schedule": "constant",
    "warmup_fraction": 0.0,
    "weight_decay": 0.01,
    "beta2": 0.999,
    "grad_clip": 0.0,
}
CLASSIC: dict[str, Values] = {
    "linear": _CLASSIC_WINDOW,
    "mlp": {**_CLASSIC_WINDOW, "d_hidden": 256, "n_layers": 2, "activation": "relu"},
    "attention": {**_CLASSIC_ATTENTION, "d_head": 32},
    "transformer": {**_CLASSIC_ATTENTION, "d_ff": 256, "activation": "relu"},
}

# github.com/karpathy/nanoGPT: model.py, and the README's settings for a CPU
NANOGPT_MODEL: Values = {
    "d_model": 128,
    "d_ff": 512,
    "n_layers": 4,
    "n_heads": 4,
    "context_length": 64,
    "positional_encoding": "learned",
    "norm": "layer",
    "norm_position": "pre",
    "tie_embeddings": True,
    "dropout": 0.0,
    "bias": False,
    "qk_norm": False,
    "activation": "gelu",
    "initialization": "gpt2",
}
NANOGPT_TRAINING: Values = {
    "batch_size": 12,
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "warmup_fraction": 0.05,
    "final_lr_fraction": 0.1,
    "weight_decay": 0.1,
    "beta2": 0.99,
    "grad_clip": 1.0,
}


def resolve(
    *,
    architecture: str,
    data: DataConfig,
    vocab_size: int,
    n_train_tokens: int,
    preset: str = "modern",
    budget: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    model: Values | None = None,
    training: Values | None = None,
) -> RunConfig:
    """Every setting of a run. What `model` and `training` name wins over the preset.

    Raises ConfigError for an unknown architecture or preset and for impossible settings.
    """
    model, training = dict(model or {}), dict(training or {})
    model_config(architecture)  # an unknown architecture is named first
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}. Received: {preset!r}.")
    given = {"budget": budget, "steps": steps, "epochs": epochs}
    horizon = {name: value for name, value in given.items() if value is not None}
    checked = TrainingConfig(**{**training, **horizon})
    horizon = {name: getattr(checked, name) for name in horizon}
    training = {name: getattr(checked, name) for name in training}
    if preset in LADDERS:
        spendable = horizon.get("budget") or REFERENCE_BUDGET
        words = vocab_size >= WORD_VOCAB_SIZE and architecture in ("attention", "transformer")
        characters = TOKENIZERS[data.tokenizer].by_character
        if words and preset == "modern":
            rung = [rung for rung in WORDS[architecture] if rung.budget <= spendable][-1]
            price = rung.budget
        else:
            ladder = LADDERS[preset] if characters else STUDY
            rung, price = _rung(ladder[architecture], architecture, spendable, vocab_size)
        base_model, base_training = rung.model, dict(rung.training)
        if preset == "modern" and spendable >= Z_LOSS_BUDGET and characters:
            base_training["z_loss"] = Z_LOSS
        if words:
            base_model, base_training = {**_TIED, **base_model}, {**base_training, **_MUON}
        base_model = _follow(architecture, {**base_model}, model)
        chosen = _checked("model", architecture=architecture, **{**base_model, **model})
        if "batch_size" not in training and "budget" in horizon:
            base_training["batch_size"] = _batch_size(
                chosen, vocab_size, spendable, {**base_training, **training}, rung.budget, price
            )
        repeats = _epochs(chosen, vocab_size, n_train_tokens, horizon)
        if "dropout" not in model and "dropout" in type(chosen).model_fields:
            base_model["dropout"] = _dropout(chosen, vocab_size, n_train_tokens, repeats)
        if "ngram_order" not in model and chosen.ngram_order > 1:
            base_model["ngram_order"] = _ngram_order(chosen, repeats)
    elif preset == "classic":
        base_model, base_training = CLASSIC[architecture], _CLASSIC_TRAINING
    elif architecture != "transformer":
        raise ConfigError(
            f"preset 'nanogpt' belongs to architecture 'transformer'. Received: {architecture!r}."
        )
    else:
        base_model, base_training = NANOGPT_MODEL, NANOGPT_TRAINING
    return RunConfig(
        preset=preset,
        data=data.model_dump(),
        model={"architecture": architecture, **base_model, **model},
        training={**base_training, **training, **horizon},
    )


def _checked(prefix: str, **values: Any) -> ModelConfig:
    try:
        return model_config(**values)
    except ConfigError as error:
        raise ConfigError(f"{prefix}.{error}") from None


def _rung(
    ladder: tuple[Rung, ...], architecture: str, budget: float, vocab_size: int
) -> tuple[Rung, float]:
    """The last rung that the budget reaches, and its price with this vocabulary.

    A larger vocabulary makes a token dearer, and more parameters want more tokens: the price
    grows with the FLOPs per token, to the power of 1.1. On PTB's words at 1e12 FLOPs that gives
    d_model 32, the best of 32, 48 and 64 (validation 5.43, 5.45, 5.58).
    """

    def price(rung: Rung) -> float:
        config = model_config(architecture, **rung.model)
        characters = _row_flops(config, REFERENCE_VOCAB_SIZE)
        return rung.budget * (_row_flops(config, vocab_size) / characters) ** 1.1

    priced = [(rung, price(rung)) for rung in ladder]
    return [pair for pair in priced if pair[1] <= budget][-1]


@functools.lru_cache(maxsize=4096)
def _row_flops(config: ModelConfig, vocab_size: int, length: int | None = None) -> int:
    length = length or config.context_length
    return step_flops(config, vocab_size, batch_size=1, sequence_length=length).total


def _follow(architecture: str, base: Values, given: Values) -> Values:
    """Let what was chosen by hand be followed: by n-grams its context, by heads and feed-forward
    its `d_model`."""
    with contextlib.suppress(TypeError, ValueError):  # the config's own error names it
        if "context_length" in given and "ngram_order" in base:
            base["ngram_order"] = max(1, min(base["ngram_order"], int(given["context_length"])))
    if "d_model" not in given or architecture not in ("attention", "transformer"):
        return base
    try:
        d_model = int(given["d_model"])
    except (TypeError, ValueError):
        return base  # the config's own error names it
    if architecture == "transformer":
        base["d_ff"] = max(1, 4 * d_model)
        fitting = [h for h in range(1, base["n_heads"] + 1) if d_model % (2 * h) == 0]
        base["n_heads"] = fitting[-1] if fitting else 1
    return base


def _batch_size(
    config: ModelConfig,
    vocab_size: int,
    budget: float,
    training: Values,
    reference: float,
    price: float,
) -> int:
    """The rung's batch, larger where it has steps to spare, halved while it has too few.

    Batches grow with the fourth root of what a large vocabulary adds to the price (rare words
    make noisy gradients) and with the root of the budget beyond ten times the price.
    """
    batch = training["batch_size"]
    if price:
        batch = round(batch * (price / reference) ** 0.25 * max(1, budget / (10 * price)) ** 0.5)
    row = _row_flops(config, vocab_size, int(training.get("sequence_length") or 0))
    while batch > 1 and budget < MIN_STEPS * batch * row:
        batch //= 2
    return batch


def _ngram_order(config: ModelConfig, repeats: float) -> int:
    """Shorter n-grams for a text that is seen again: a table learns the rare ones by heart.

    On 100,000 characters at 1e11 FLOPs, validation losses at orders 1 to 5: transformer, 7 times
    through, 1.706, 1.709, 1.618, 1.677, 1.872; MLP, 13 times, 1.721, 1.635, 1.791, 2.791, 4.210.
    nanoGPT's split at 3e13, 1.8 times, d_model 192: orders 3 to 5 1.496, 1.474, 1.471.
    """
    if config.architecture == "linear":
        repeats /= 4  # it has nothing else that could learn by heart
    longest = ((3.5, 8), (7.5, 4), (9, 3), (math.inf, 2))
    return min(config.ngram_order, next(order for most, order in longest if repeats <= most))


def _dropout(config: ModelConfig, vocab_size: int, n_train_tokens: int, repeats: float) -> float:
    """Against learning by heart: a text seen several times, by a model that has the room.

    Self-attention has it from about a parameter per token of text. A transformer of 345,000 on
    the 892,000 characters of Tiny Shakespeare, 5 times: validation 1.484 without and 1.554 with
    0.1, at 1e13 FLOPs. With n-grams left out at random one of 800,000 needs none at 4.4 times.
    """
    size = sum(m.n_params for m in modules(config, vocab_size) if m.name != "ngram_embedding")
    roomy = config.architecture == "mlp" or size > 0.7 * n_train_tokens
    enough = 7.5 if config.ngram_dropout else 4  # that regularises too
    if not roomy or repeats <= enough:
        return 0.0
    return 0.2 if repeats > 12 else 0.1


def _epochs(config: ModelConfig, vocab_size: int, n_train_tokens: int, horizon: Values) -> float:
    if "epochs" in horizon:
        return horizon["epochs"]
    budget = horizon.get("budget") or REFERENCE_BUDGET
    per_token = _row_flops(config, vocab_size) / config.context_length
    return budget / per_token / max(1, n_train_tokens)
