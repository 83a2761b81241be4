"""The default: sized for the budget, with what was measured to pay."""

from __future__ import annotations

from lm.architectures.recipes import Rung
from lm.runs.presets.sized import Sized, priced_rung
from lm.runs.presets.spec import Request, Values

Z_LOSS = 0.1  # for characters; models of words did not gain by it
Z_LOSS_BUDGET = 2e10  # FLOPs; below, some architectures got worse by it


class Modern(Sized):
    """Ladders with the lowest validation loss on Tiny Shakespeare's characters and PTB's words."""

    name = "modern"
    help = (
        "The best we know for this budget: for characters it adds tables of n-grams. Choose it for "
        "the lowest loss."
    )

    def rung(self, request: Request) -> tuple[Rung, float]:
        recipes = request.architecture.recipes
        if request.of_words and recipes.words:
            rung = [rung for rung in recipes.words.ladder if rung.budget <= request.budget][-1]
            return rung, rung.budget
        names = ("modern",) if request.of_characters else ("study", "modern")
        ladder = next(recipes.ladders[name] for name in names if name in recipes.ladders)
        return priced_rung(request, ladder)

    def extra_training(self, request: Request) -> Values:
        if request.of_characters and request.budget >= Z_LOSS_BUDGET:
            return {"z_loss": Z_LOSS}
        return {}


MODERN = Modern()
