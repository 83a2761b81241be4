"""Sizing a run for its budget: by the ladder of its architecture, its vocabulary and its text."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from lm.architectures import AnyArchitecture, ArchitectureConfig, model_config, modules
from lm.architectures.recipes import Rung
from lm.base.settings import ConfigError
from lm.runs.flops import step_flops
from lm.runs.presets.spec import Preset, Request, Settings, Values
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

    def rung(self, request: Request) -> tuple[Rung, float]:
        """The rung for a request, and its price: the budget from which on it is used."""
        return reached(request, request.architecture.recipes.ladders[self.name])[-1]

    def extra_training(self, request: Request) -> Values:
        """Settings of training beyond those of the rung."""
        return {}

    def against_repeats(self, request: Request, config: ArchitectureConfig) -> Settings:
        """What keeps a model from learning a text by heart that it sees many times."""
        if "dropout" in request.architecture.settings:
            return Settings(model={"dropout": _dropout(request, config)}, training={})
        return Settings(model={}, training={})

    def settings(self, request: Request) -> Settings:
        recipes = request.architecture.recipes
        rung, price = self.rung(request)
        model, training = dict(rung.model), {**rung.training, **self.extra_training(request)}
        if request.of_words and (words := recipes.words):
            model, training = {**words.model, **model}, {**training, **words.training}
            if rung in words.ladder:  # which is made for words
                training.update(rung.training)
        model = recipes.follow(_shorter_ngrams(model, request.model), request.model)
        config = checked(request.architecture, {**model, **request.model})
        if "batch_size" not in request.training and "budget" in request.horizon:
            given = {**training, **request.training}
            training["batch_size"] = _batch_size(request, config, given, rung, price)
        against = self.against_repeats(request, config)
        model, training = {**model, **against.model}, {**training, **against.training}
        config = checked(request.architecture, {**model, **request.model})
        if _may_touch_rows(config, {**training, **request.training}):
            training["table_update"] = "touched_rows"
        return Settings(model=model, training=training)


def reached(request: Request, ladder: Sequence[Rung]) -> list[tuple[Rung, float]]:
    """The rungs that the budget reaches, and their prices with this vocabulary.

    A larger vocabulary makes a token dearer, and more parameters want more tokens: the price
    grows with the FLOPs per token, to a power.
    """

    def price(rung: Rung) -> float:
        config = request.architecture.config(**rung.model)
        ratio = _row_flops(config, request.vocab_size) / _row_flops(config, REFERENCE_VOCAB_SIZE)
        return rung.budget * ratio**LARGER_VOCABULARY

    priced = [(rung, price(rung)) for rung in ladder]
    return [pair for pair in priced if pair[1] <= request.sized_by * request.budget]


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


def _shorter_ngrams(model: Values, by_hand: Mapping[str, Any]) -> Values:
    """The settings with n-grams that are no longer than a context set by hand."""
    with contextlib.suppress(TypeError, ValueError):  # the config's own error names it
        if "context_length" in by_hand and "ngram_order" in model:
            longest = int(by_hand["context_length"])
            return {**model, "ngram_order": max(1, min(model["ngram_order"], longest))}
    return model


def _batch_size(
    request: Request,
    config: ArchitectureConfig,
    training: Mapping[str, Any],
    rung: Rung,
    price: float,
) -> int:
    """The rung's batch, larger where it has steps to spare, halved while it has too few.

    Batches grow with the fourth root of what a large vocabulary adds to the price (rare words
    make noisy gradients) and, where the rung says so, with the root of the budget beyond
    ten times the price.
    """
    batch, budget = training["batch_size"], request.budget
    if price:
        growth = max(1, budget / (10 * price)) ** 0.5 if rung.batch_grows else 1.0
        batch = round(batch * (price / rung.budget) ** 0.25 * growth)
    length = int(training.get("sequence_length") or 0)
    row = _row_flops(config, request.vocab_size, length)
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


def times_through(request: Request, config: ArchitectureConfig) -> float:
    """How often the train split will be seen."""
    if "epochs" in request.horizon:
        return request.horizon["epochs"]
    per_token = _row_flops(config, request.vocab_size) / config.context_length
    return request.budget / per_token / max(1, request.n_train_tokens)


def tokens_read(request: Request, rung: Rung, config: ArchitectureConfig) -> float:
    """Predictions that the budget pays for under a rung, its optimizer's FLOPs included."""
    training = TrainingConfig(steps=1, **rung.training)
    rows, length = training.batch_size, training.sequence_length or config.context_length
    step = step_flops(
        config,
        request.vocab_size,
        batch_size=rows,
        sequence_length=length,
        optimizer=training.optimizer,
    )
    return request.budget / step.total * rows * length


def params_per_token(request: Request, config: ArchitectureConfig) -> float:
    """Parameters outside of tables, for each token of the train split."""
    size = sum(part.n_params for part in modules(config, request.vocab_size) if not part.ngrams)
    return size / max(1, request.n_train_tokens)


def _dropout(request: Request, config: ArchitectureConfig) -> float:
    """More than 0 where a text is seen so often that a large model would learn it by heart."""
    repeats = times_through(request, config)
    roomy = params_per_token(request, config) > request.architecture.recipes.room_per_token
    enough = 7.5 if config.dropouts.get("ngram_dropout") else 4  # that regularises too
    if not roomy or repeats <= enough:
        return 0.0
    return 0.2 if repeats > 12 else 0.1
