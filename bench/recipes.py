"""The recipe that a benchmark trains."""

from lm.datasets import Corpus
from lm.runs import presets, recipes
from lm.runs.config import RunConfig


def recipe(
    corpus: Corpus, architecture: str, budget: float, preset: str = presets.DEFAULT
) -> RunConfig:
    """All settings of an architecture for a budget in FLOPs, on a corpus that is loaded."""
    return recipes.resolve(
        architecture=architecture,
        data=corpus.data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=budget,
        preset=preset,
    )
