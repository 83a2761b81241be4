"""Sizing a run for its budget: by the ladder of its architecture, its vocabulary and its text."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from lm.architectures import AnyArchitecture, ArchitectureConfig, model_config, modules
from lm.architectures.recipes import Size
from lm.base.settings import ConfigError
from lm.runs.flops import step_flops
from lm.runs.presets.spec import Brief, Preset, Settings, Values
from lm.updates import UPDATES
from lm.updates.config import TrainingConfig

REFERENCE_VOCAB_SIZE = 65  # the ladders' own: Tiny Shakespeare's characters
MIN_STEPS = 100  # where a budget is small, batches get smaller before steps get fewer
LARGER_VOCABULARY = 1.1  # the power of a token's FLOPs with which a rung's price grows


class Sized(Preset):
    """A preset under which a model's size, batch and rates follow from the budget."""

    follows_budget = True

    def suits(self, architecture: AnyArchitecture) -> bool:
        return self.name in architecture.recipes.ladders

    def rung(self, brief: Brief) -> tuple[Size, float]:
        """The rung for a brief, and its price: the budget from which on it is used."""
        return reached(brief, brief.architecture.recipes.ladders[self.name])[-1]

    def extra_training(self, brief: Brief) -> Values:
        """Settings of training beyond those of the rung."""
        return {}

    def against_repeats(self, brief: Brief, config: ArchitectureConfig) -> Settings:
        """What keeps a model from learning a text by heart that it sees many times."""
        if "dropout" in brief.architecture.settings:
            return Settings(model={"dropout": _dropout(brief, config)}, training={})
        return Settings(model={}, training={})

    def settings(self, brief: Brief) -> Settings:
        recipes = brief.architecture.recipes
        rung, price = self.rung(brief)
        model, training = dict(rung.model), {**rung.training, **self.extra_training(brief)}
        if brief.of_words and (words := recipes.words):
            model, training = {**words.model, **model}, {**training, **words.training}
            if rung in words.ladder:  # which is made for words
                training.update(rung.training)
        model = recipes.follow(_shorter_ngrams(model, brief.model), brief.model)
        config = checked(brief.architecture, {**model, **brief.model})
        if "batch_size" not in brief.training and "budget" in brief.horizon:
            given = {**training, **brief.training}
            training["batch_size"] = _batch_size(brief, config, given, rung, price)
        against = self.against_repeats(brief, config)
        model, training = {**model, **against.model}, {**training, **against.training}
        config = checked(brief.architecture, {**model, **brief.model})
        if _may_touch_rows(config, {**training, **brief.training}):
            training["table_update"] = "touched_rows"
        return Settings(model=model, training=training)


def reached(brief: Brief, ladder: Sequence[Size]) -> list[tuple[Size, float]]:
    """The rungs that the budget reaches, and their prices with this vocabulary.

    A larger vocabulary makes a token dearer, and more parameters want more tokens: the price
    grows with the FLOPs per token, to a power.
    """

    def price(rung: Size) -> float:
        config = brief.architecture.config(**rung.model)
        ratio = _row_flops(config, brief.vocab_size) / _row_flops(config, REFERENCE_VOCAB_SIZE)
        return rung.budget * ratio**LARGER_VOCABULARY

    priced = [(rung, price(rung)) for rung in ladder]
    return [pair for pair in priced if pair[1] <= brief.sized_by * brief.budget]


def checked(architecture: AnyArchitecture, values: Mapping[str, Any]) -> ArchitectureConfig:
    """The config of some settings. Raises `ConfigError`, naming the section too."""
    try:
        return model_config(architecture.name, **values)
    except ConfigError as error:
        raise ConfigError(f"model.{error}") from None


@functools.lru_cache(maxsize=4096)
def _row_flops(config: ArchitectureConfig, vocab_size: int, length: int | None = None) -> int:
    length = length or config.context_length
    return step_flops(config, vocab_size, batch_size=1, sequence_length=length).total


def _shorter_ngrams(model: Values, given: Mapping[str, Any]) -> Values:
    """The settings with n-grams that are no longer than a context set explicitly."""
    with contextlib.suppress(TypeError, ValueError):  # the config's own error names it
        if "context_length" in given and "ngram_order" in model:
            longest = int(given["context_length"])
            return {**model, "ngram_order": max(1, min(model["ngram_order"], longest))}
    return model


def _batch_size(
    brief: Brief,
    config: ArchitectureConfig,
    training: Mapping[str, Any],
    rung: Size,
    price: float,
) -> int:
    """The rung's batch, larger where it has steps to spare, halved while it has too few.

    Batches grow with the fourth root of what a large vocabulary adds to the price (rare words
    make noisy gradients) and, where the rung says so, with the root of the budget beyond
    ten times the price.
    """
    batch, budget = training["batch_size"], brief.budget
    if price:
        growth = max(1, budget / (10 * price)) ** 0.5 if rung.batch_grows else 1.0
        batch = round(batch * (price / rung.budget) ** 0.25 * growth)
    length = int(training.get("sequence_length") or 0)
    row = _row_flops(config, brief.vocab_size, length)
    while batch > 1 and budget < MIN_STEPS * batch * row:
        batch //= 2
    return batch


def _may_touch_rows(config: ArchitectureConfig, training: Mapping[str, Any]) -> bool:
    """Whether there are tables, and the rows that a step reads may be updated alone."""
    try:
        values: dict[str, Any] = {**training, "table_update": "touched_rows"}
        settings = TrainingConfig(steps=1, **values)
    except ConfigError:  # it cannot be done beside these, or they have errors of their own
        return False
    has_tables = any(part.ngrams for part in modules(config, vocab_size=2))
    return has_tables and "table_update" in UPDATES[settings.optimizer].settings


def times_through(brief: Brief, config: ArchitectureConfig) -> float:
    """How often the train split will be seen."""
    if "epochs" in brief.horizon:
        return brief.horizon["epochs"]
    per_token = _row_flops(config, brief.vocab_size) / config.context_length
    return brief.budget / per_token / max(1, brief.n_train_tokens)


def tokens_read(brief: Brief, rung: Size, config: ArchitectureConfig) -> float:
    """Predictions that the budget pays for under a rung, its optimizer's FLOPs included."""
    training = TrainingConfig(steps=1, **rung.training)
    rows, length = training.batch_size, training.sequence_length or config.context_length
    step = step_flops(
        config,
        brief.vocab_size,
        batch_size=rows,
        sequence_length=length,
        optimizer=training.optimizer,
    )
    return brief.budget / step.total * rows * length


def params_per_token(brief: Brief, config: ArchitectureConfig) -> float:
    """Parameters outside of tables, for each token of the train split."""
    size = sum(part.n_params for part in modules(config, brief.vocab_size) if not part.ngrams)
    return size / max(1, brief.n_train_tokens)


def _dropout(brief: Brief, config: ArchitectureConfig) -> float:
    """More than 0 where a text is seen so often that a large model would learn it by heart."""
    repeats = times_through(brief, config)
    roomy = params_per_token(brief, config) > brief.architecture.recipes.room_per_token
    enough = 7.5 if config.dropouts.get("ngram_dropout") else 4  # that regularises too
    if not roomy or repeats <= enough:
        return 0.0
    return 0.2 if repeats > 12 else 0.1
