"""The default: sized for the budget, with what was measured to pay."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lm.architectures import ArchitectureConfig
from lm.architectures.recipes import ShortTextRecipes, Size
from lm.runs.presets.sized import (
    Sized,
    checked,
    params_per_token,
    reached,
    times_through,
    tokens_read,
)
from lm.runs.presets.spec import Brief, Settings, Values

Z_LOSS = 0.1  # for characters; models of words did not gain by it
Z_LOSS_BUDGET = 2e10  # FLOPs; below, some architectures got worse by it

# Of characters. Each was chosen on development texts (bench.texts): docs/recipes.md.
NEW, USED_UP = 2.0, 8.0  # times through a text, before which it is new, and after which it is not
LONGEST_NGRAM = 5  # of a short text that is not new: longer ones are learnt by heart
SHORT_TEXT = 200_000  # tokens
# A table of n-grams has a row for each token of the text or, the more often that is seen, for more:
# n-grams that share a row are not learnt by heart. Between the points it follows the logarithm.
TOKENS_PER_ROW = ((12.0, 1.0), (36.0, 8.0))
# The most is for one model; of several, each has that over the root of their number.
FEWEST_ROWS, MOST_ROWS = 1_024, 131_072
# A model gets larger once its budget lets it read this many tokens or, of a text that has fewer
# than five million, this share.
READ_TOKENS, READ_SHARE = 4_000_000, 0.8
LEFT_BEHIND = 6  # a budget of so many times the price of a size takes none that is smaller
MOST_PARAMS_PER_TOKEN = 2.0  # of the text, tables left out: a larger size is not taken
# What a text can teach takes FLOPs that grow with this power of its tokens: the recipes have them
# for so many tokens.
WORTH_POWER, WORTH_TOKENS = 1.45, 100_000
# At most so many models of words share a budget. Their text is worth so many times the FLOPs that
# are enough for one of them.
MOST_MEMBERS_OF_WORDS, WORTH_OF_WORDS = 8, 16
# Of several models of words, fewer that are larger are taken where each then goes through the text
# at most so many times.
FEW_TIMES_OF_WORDS = 10.0
# The share of n-grams to leave out, by the times through, and the most, by the tokens of the text:
# n-grams of a longer one occur more often. Between the points it follows the logarithm.
NGRAM_DROPOUT = ((1.5, 0.0), (3.0, 0.5), (12.0, 0.7), (24.0, 0.75))
MOST_NGRAM_DROPOUT = ((10_000, 0.75), (50_000, 0.7), (400_000, 0.5))
LEAST_WEIGHT_DECAY, MOST_WEIGHT_DECAY = 0.1, 2.0
MOST_DROPOUT = 0.5
# The share of its budget for which a member is sized: where the size that all of it buys sees the
# text too seldom, the size that half of it buys may do, so that more budget never means fewer.
SIZED_BY = (1.0, 0.5)


class Modern(Sized):
    """Ladders with the lowest validation loss on Tiny Shakespeare's characters and PTB's words."""

    name = "modern"
    help = (
        "The best we know for this budget: it adds tables of n-grams where they pay and, where a "
        "text is seen more than once, several models as one. Choose it for the lowest loss."
    )

    def rung(self, brief: Brief) -> tuple[Size, float]:
        recipes = brief.architecture.recipes
        if brief.of_words and recipes.words:
            rung = [rung for rung in recipes.words.ladder if rung.budget <= brief.budget][-1]
            return rung, rung.budget
        if not brief.of_characters:
            return reached(brief, recipes.ladders.get("study", recipes.ladders[self.name]))[-1]
        sizes = list(self._sizes(brief))
        enough = (size for size in sizes if self._reads_enough(brief, size[0]))
        return next(enough, sizes[-1])

    def _sizes(self, brief: Brief) -> Iterator[tuple[Size, float]]:
        """The rungs for characters that the budget reaches, the largest first.

        Without those that are too large for the text, or too small for the budget.
        """
        recipes, short_text = brief.architecture.recipes, _short_text(brief)
        ladder = short_text.ladder if short_text else recipes.ladders[self.name]
        smallest, *larger = reached(brief, ladder)
        for rung, price in reversed(larger):
            config = checked(brief.architecture, rung.model)
            if params_per_token(brief, config) <= MOST_PARAMS_PER_TOKEN:
                yield rung, price
                if brief.budget >= LEFT_BEHIND * price:
                    return
        yield smallest

    def _reads_enough(self, brief: Brief, rung: Size) -> bool:
        """Whether the budget lets a rung's model read as much as a model of its size should."""
        config = checked(brief.architecture, rung.model)
        enough = min(READ_TOKENS, READ_SHARE * brief.n_train_tokens)
        return tokens_read(brief, rung, config) >= enough

    def extra_training(self, brief: Brief) -> Values:
        if brief.of_characters and brief.budget >= Z_LOSS_BUDGET:
            return {"z_loss": Z_LOSS}
        return {}

    def settings(self, brief: Brief) -> Settings:
        """Those for the budget or, where the text is worth less, for that: the budget's cap."""
        if "budget" not in brief.horizon:
            return super().settings(brief)
        given = brief.training.get("budget_cap")
        cap = given or worth(brief)
        if cap >= brief.budget:
            return self._of_several(brief)
        chosen = self._of_several(replace(brief, horizon={"budget": cap}))
        return replace(chosen, training={**chosen.training, "budget_cap": cap})

    def _of_several(self, brief: Brief) -> Settings:
        """Several models for less each, where that is enough for a text to be used up by one.

        Not where the largest size that the budget of each buys would read too little yet. Where
        their number is named explicitly, each gets the settings for its share of the budget.
        """
        recipes, given = brief.architecture.recipes, brief.model.get("members")
        if isinstance(given, int) and given > 1:
            return super().settings(_one_of(given, brief))
        if given is None and (members := self._members_of_words(brief)) > 1:
            chosen = super().settings(_one_of(members, brief))
            return replace(chosen, model={**chosen.model, "members": members})
        if brief.of_characters and given is None:
            for members, share in itertools.product(recipes.times_of_members, SIZED_BY):
                each = replace(_one_of(members, brief), sized_by=share)
                largest, _ = next(self._sizes(each))
                if not self._reads_enough(each, largest):
                    continue
                chosen = super().settings(each)
                config = checked(brief.architecture, {**chosen.model, **brief.model})
                smaller = replace(brief, horizon={"budget": share * brief.budget / members})
                points = recipes.times_of_members[members]
                if times_through(smaller, config) >= _between_logs(points, brief.n_train_tokens):
                    return replace(chosen, model={**chosen.model, "members": members})
        return super().settings(brief)

    def _members_of_words(self, brief: Brief) -> int:
        """How many models of words share the budget; below 2, one has all of it.

        As many as it has enough for or, down to half of that, the most that are so large that each
        goes through the text only a few times: more that are smaller would learn it by heart.
        """
        most = min(MOST_MEMBERS_OF_WORDS, int(brief.budget / _enough_for_one(brief)))
        for members in range(most, most // 2, -1):
            each = _one_of(members, brief)
            rung, _ = self.rung(each)
            if times_through(each, checked(brief.architecture, rung.model)) <= FEW_TIMES_OF_WORDS:
                return members
        return most

    def against_repeats(self, brief: Brief, config: ArchitectureConfig) -> Settings:
        """For characters: tables of the text's size, n-grams left out, weight decay and dropout.

        All but the tables' size grow with the logarithm of the times through the text; weight decay
        and dropout also with the root of the parameters that there are for each of its tokens.
        Tables of a size set explicitly are taken as they are.
        """
        if not brief.of_characters:
            return self._against_few_words(brief, config)
        recipes, short_text = brief.architecture.recipes, _short_text(brief)
        model = Values()
        n_tokens, times = brief.n_train_tokens, times_through(brief, config)
        values = config.model_dump()
        has_tables = values.get("ngram_order", 1) > 1
        if has_tables:
            given = "ngram_rows" in brief.model
            as_often = 0.0 if short_text else times
            rows = values["ngram_rows"] if given else _rows(brief, as_often)
            # rows that many n-grams share hold less to be learnt by heart
            _, most_per_row = TOKENS_PER_ROW[-1]
            times *= min(1.0, most_per_row * brief.members * rows / max(1, n_tokens)) ** 0.5
            left_out = min(_between(NGRAM_DROPOUT, times), _between(MOST_NGRAM_DROPOUT, n_tokens))
            left_out = max(values["ngram_dropout"], round(left_out, 2))
            model = {"ngram_rows": rows, "ngram_dropout": left_out}
        used_up = min(1.0, math.log(max(times, NEW) / NEW) / math.log(USED_UP / NEW))
        if has_tables and used_up and n_tokens < SHORT_TEXT:
            model["ngram_order"] = min(values["ngram_order"], LONGEST_NGRAM)
        root = params_per_token(brief, config) ** 0.5
        if "dropout" in brief.architecture.settings:
            dropout = min(MOST_DROPOUT, recipes.dropout_of_repeats * root)
            model["dropout"] = round(used_up * dropout, 2)
        decay = min(MOST_WEIGHT_DECAY, (short_text or recipes).weight_decay_of_repeats * root)
        decay = LEAST_WEIGHT_DECAY + used_up * max(0.0, decay - LEAST_WEIGHT_DECAY)
        return Settings(model=model, training={"weight_decay": round(decay, 2)} if used_up else {})

    def _against_few_words(self, brief: Brief, config: ArchitectureConfig) -> Settings:
        """For words and parts of words: dropout, and for words the recipe's weight decay."""
        chosen = super().against_repeats(brief, config)
        words = brief.architecture.recipes.words
        if not brief.of_words or words is None:
            return chosen
        decay = min(MOST_WEIGHT_DECAY, words.weight_decay * params_per_token(brief, config) ** 0.5)
        if decay <= LEAST_WEIGHT_DECAY:
            return chosen
        return replace(chosen, training={**chosen.training, "weight_decay": round(decay, 2)})


def _short_text(brief: Brief) -> ShortTextRecipes | None:
    """The architecture's own recipes for a short text, where this is one and there are any."""
    short_text = brief.architecture.recipes.short_text
    if short_text is None or not brief.of_characters:
        return None
    return short_text if brief.n_train_tokens <= short_text.most_tokens else None


def _rows(brief: Brief, times: float) -> int:
    """Rows of a member's table of n-grams: a power of two."""
    wanted = brief.n_train_tokens / _between_logs(TOKENS_PER_ROW, times)
    most = 2 ** int(math.log2(MOST_ROWS / brief.members**0.5))
    return max(FEWEST_ROWS, min(2 ** round(math.log2(max(1, wanted))), most))


def _one_of(members: int, brief: Brief) -> Brief:
    """The brief for each of several models that share a budget."""
    model = {name: value for name, value in brief.model.items() if name != "members"}
    horizon = {"budget": brief.budget / members}
    return replace(brief, model=model, horizon=horizon, members=members)


def worth(brief: Brief) -> float:
    """FLOPs beyond which a text teaches this architecture nothing more, as far as is known."""
    if brief.of_characters:
        longer = brief.n_train_tokens / WORTH_TOKENS
        return float(f"{brief.architecture.recipes.worth * longer**WORTH_POWER:.1e}")
    return float(f"{WORTH_OF_WORDS * _enough_for_one(brief):.1e}")


def _enough_for_one(brief: Brief) -> float:
    """FLOPs with which one model of words has learnt what it can of its text.

    A model's parameters and the tokens that it reads both grow with the text, FLOPs with both.
    """
    words = brief.architecture.recipes.words
    if not brief.of_words or words is None:
        return math.inf
    return words.enough * (max(1, brief.n_train_tokens) / WORTH_TOKENS) ** 2


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """Of points (x, y): what lines between them say for the logarithm of `x`, level beyond."""
    xs, ys = zip(*points, strict=True)
    return float(np.interp(math.log(max(x, xs[0])), [math.log(each) for each in xs], ys))


def _between_logs(points: Sequence[tuple[float, float]], x: float) -> float:
    """Of points (x, y): what lines between them say where x and y are both drawn by logarithms."""
    return math.exp(_between([(each, math.log(y)) for each, y in points], x))


MODERN = Modern()
