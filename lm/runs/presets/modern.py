"""The default: sized for the budget, with what was measured to pay."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from lm.architectures import ArchitectureConfig
from lm.architectures.recipes import Rung
from lm.runs.presets.sized import (
    Sized,
    checked,
    params_per_token,
    priced_rung,
    times_through,
    tokens_read,
)
from lm.runs.presets.spec import Request, Settings, Values

Z_LOSS = 0.1  # for characters; models of words did not gain by it
Z_LOSS_BUDGET = 2e10  # FLOPs; below, some architectures got worse by it

# Of characters. Each was chosen on development texts (bench.texts): docs/recipes.md.
NEW, USED_UP = 2.0, 8.0  # times through a text, before which it is new, and after which it is not
LONGEST_NGRAM = 5  # of a text that is not new: longer ones are learnt by heart
TOKENS_PER_ROW = 8  # of a table of n-grams
FEWEST_ROWS, MOST_ROWS = 1_024, 16_384
LONG_TEXT = 1_500_000  # tokens, from which on tables may have more rows:
MOST_ROWS_OF_LONG = 131_072
# A model gets larger once its budget lets it read this many tokens or, of a text that has fewer
# than 2.5 million, this share.
READ_TOKENS, READ_SHARE = 1_000_000, 0.4
MOST_PARAMS_PER_TOKEN = 2.0  # of the text, tables left out: a larger size is not taken
# What a text can teach takes FLOPs that grow with this power of its tokens: the recipes have them
# for so many tokens.
WORTH_POWER, WORTH_TOKENS = 1.45, 100_000
NGRAM_DROPOUT = 0.7  # of a text that is used up
LEAST_WEIGHT_DECAY, MOST_WEIGHT_DECAY = 0.1, 2.0
MOST_DROPOUT = 0.5
MEMBERS = (4, 2)  # of several models that learn side by side
TIMES_OF_MEMBERS = 25  # through the text, of each: where it is seen less often, one model is better
# The share of its budget for which a member is sized: where the size that all of it buys sees the
# text too seldom, the size that half of it buys may do, so that more budget never means fewer.
SIZED_BY = (1.0, 0.5)


class Modern(Sized):
    """Ladders with the lowest validation loss on Tiny Shakespeare's characters and PTB's words."""

    name = "modern"
    help = (
        "The best we know for this budget: for characters it adds tables of n-grams and, where a "
        "text is seen many times, several models as one. Choose it for the lowest loss."
    )

    def rung(self, request: Request) -> tuple[Rung, float]:
        recipes = request.architecture.recipes
        if request.of_words and recipes.words:
            rung = [rung for rung in recipes.words.ladder if rung.budget <= request.budget][-1]
            return rung, rung.budget
        names = ("modern",) if request.of_characters else ("study", "modern")
        ladder = next(recipes.ladders[name] for name in names if name in recipes.ladders)
        if not request.of_characters:
            return priced_rung(request, ladder)
        enough = min(READ_TOKENS, READ_SHARE * request.n_train_tokens)

        def fits(rung: Rung) -> bool:
            config = checked(request.architecture, rung.model)
            roomy = params_per_token(request, config) > MOST_PARAMS_PER_TOKEN
            return not roomy and tokens_read(request, rung, config) >= enough

        return priced_rung(request, ladder, fits)

    def extra_training(self, request: Request) -> Values:
        if request.of_characters and request.budget >= Z_LOSS_BUDGET:
            return {"z_loss": Z_LOSS}
        return {}

    def settings(self, request: Request) -> Settings:
        """Those for the budget or, where the text is worth less, for that: the budget's cap."""
        if "budget" not in request.horizon:
            return super().settings(request)
        by_hand = request.training.get("budget_cap")
        cap = by_hand or worth(request)
        if cap >= request.budget:
            return self._of_several(request)
        chosen = self._of_several(replace(request, horizon={"budget": cap}))
        return replace(chosen, training={**chosen.training, "budget_cap": cap})

    def _of_several(self, request: Request) -> Settings:
        """Several models for less each, where that is enough for a text to be used up by one."""
        if request.of_characters and "members" not in request.model:
            for members, share in itertools.product(MEMBERS, SIZED_BY):
                horizon = {"budget": request.budget / members}
                chosen = super().settings(replace(request, horizon=horizon, sized_by=share))
                config = checked(request.architecture, {**chosen.model, **request.model})
                smaller = replace(request, horizon={"budget": share * request.budget / members})
                if times_through(smaller, config) >= TIMES_OF_MEMBERS:
                    return replace(chosen, model={**chosen.model, "members": members})
        return super().settings(request)

    def against_repeats(self, request: Request, config: ArchitectureConfig) -> Settings:
        """For characters: tables of the text's size, n-grams left out, weight decay and dropout.

        All but the tables' size grow with the logarithm of the times through the text; weight decay
        and dropout also with the root of the parameters that there are for each of its tokens.
        """
        if not request.of_characters:
            return super().against_repeats(request, config)
        recipes, model = request.architecture.recipes, Values()
        of_text = 2 ** round(math.log2(max(1, request.n_train_tokens / TOKENS_PER_ROW)))
        most = MOST_ROWS if request.n_train_tokens < LONG_TEXT else MOST_ROWS_OF_LONG
        rows = max(FEWEST_ROWS, min(of_text, most))
        # rows that many n-grams share hold less to be learnt by heart
        times = times_through(request, config) * min(1.0, rows / of_text)
        used_up = min(1.0, math.log(max(times, NEW) / NEW) / math.log(USED_UP / NEW))
        if getattr(config, "ngram_order", 1) > 1:
            values = config.model_dump()
            model["ngram_rows"] = rows
            model["ngram_dropout"] = max(values["ngram_dropout"], round(NGRAM_DROPOUT * used_up, 2))
            if used_up:
                model["ngram_order"] = min(values["ngram_order"], LONGEST_NGRAM)
        root = params_per_token(request, config) ** 0.5
        if "dropout" in request.architecture.settings:
            dropout = min(MOST_DROPOUT, recipes.dropout_of_repeats * root)
            model["dropout"] = round(used_up * dropout, 2)
        decay = min(MOST_WEIGHT_DECAY, recipes.weight_decay_of_repeats * root)
        decay = LEAST_WEIGHT_DECAY + used_up * max(0.0, decay - LEAST_WEIGHT_DECAY)
        return Settings(model=model, training={"weight_decay": round(decay, 2)} if used_up else {})


def worth(request: Request) -> float:
    """FLOPs beyond which a text of characters teaches this architecture nothing more."""
    if not request.of_characters:
        return math.inf
    longer = request.n_train_tokens / WORTH_TOKENS
    return float(f"{request.architecture.recipes.worth * longer**WORTH_POWER:.1e}")


MODERN = Modern()
