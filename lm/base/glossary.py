"""The terms of the app, the command line and the documents, a sentence or two for each.

Help texts of pages and columns take them from here; `python -m lm.base.glossary` prints
docs/glossary.md.
"""

from __future__ import annotations

TERMS = {
    "architecture": "How a model computes the next token from the tokens before it. The page Train "
    "says a sentence about each.",
    "batch": "The rows of text that one step learns from, `batch_size` of them.",
    "bits per character": "The cost of a text in bits, divided by its characters. Unlike a loss "
    "per token it compares across tokenizers, where the text is the same.",
    "budget": "The training FLOPs that a run may spend, forward, backward and optimizer.",
    "bytes": "The memory traffic of the training steps: every operator reads its inputs and writes "
    "its results once. Caches spare some of it.",
    "checkpoint": "The weights of a run at a step, kept on disk.",
    "collection": "The results of many runs in three Parquet files, a row a run, without weights.",
    "compiled": "A run whose steps are one program, made by XLA. The program takes the same "
    "steps as PyTorch, which computes operator by operator (*eager*), in less time.",
    "context length": "How many tokens a prediction may look back on.",
    "corpus": "A text to learn from, divided into train, validation and test splits.",
    "FLOPs": "Floating-point operations of matrix products, a multiply-add counted as two. The "
    "*training* FLOPs of a run are those of forward pass, backward pass and optimizer.",
    "frontier": "The best loss that the runs of a ladder reach at each budget.",
    "interval": "The range of the mean over seeds with a confidence of 95 %, by Student's t.",
    "ladder": "Every architecture, trained by one recipe at rising budgets and over several "
    "seeds: the reference for other runs.",
    "learning rate": "How far a step moves the weights. It rises during the *warm-up*, stays at "
    "its peak, and falls at the end of the run.",
    "log-likelihood": "The logarithm of the probability that a model gives a text, per token: the "
    "loss with the opposite sign. Higher is better.",
    "look-back": "The tokens before a row that its first predictions read. Rows of window models "
    "have it; others begin without context.",
    "loss": "The mean cost of a token in nats: minus the logarithm of the probability that the "
    "model gave it. Lower is better.",
    "members": "Models of one kind that learn side by side as one run; the mean of their "
    "probabilities is the prediction.",
    "n-gram": "A run of n tokens. Counting how often each token followed the n-1 before it is the "
    "oldest language model, and the reference that needs no training.",
    "n-gram tables": "Embeddings of the last two to six tokens together, looked up in tables and "
    "learnt with the rest. A lookup multiplies nothing, so it costs no FLOPs.",
    "nats": "The unit of a loss: logarithms to the base e. One nat is 1.44 bits.",
    "operations": "All arithmetic of the training steps: matrix products, elementwise work, "
    "lookups, the optimizer.",
    "parameters": "The numbers that training changes, those in n-gram tables among them; shared "
    "ones count once.",
    "perplexity": "The number of equally likely tokens among which a guess would be as uncertain "
    "as the model: the exponential of the loss. Lower is better.",
    "preset": "A recipe that chooses every setting that a person left open, from the budget, the "
    "length of the text and its vocabulary.",
    "prompt": "The text that a model continues.",
    "recipe": "The settings of an architecture for a budget, as its preset chooses them.",
    "run": "One training of one model, with its settings, its curve, its results and its weights.",
    "seed": "The number from which the first weights, the order of the data and dropout are "
    "drawn. Runs that differ by it alone show how much is chance.",
    "smoothing": "A mean of each loss and those before it, in which a loss counts for half as "
    "much after a number of steps.",
    "split": "A part of a text: training learns from the *train* split, choices are made on "
    "*validation*, and *test* reports.",
    "step": "One update of the weights by the optimizer.",
    "sweep": "Runs over all combinations of some settings, budgets and seeds.",
    "temperature": "The divisor of the logits before a token is drawn: below 1, likely tokens "
    "become likelier; above 1, the choice is more even.",
    "test": "The split that reports how good a model is. No choice is made on it.",
    "token": "The unit that a model predicts: a character, a word, a byte or a piece of a word.",
    "tokenizer": "The map from text to tokens and back. Losses per token compare only within one "
    "tokenizer.",
    "training tokens": "The predictions that entered a loss during training.",
    "unknown words": "Words that do not occur in the vocabulary and become `<unk>`. Where more "
    "than a tenth of the held-out words are unknown, losses per word do not compare.",
    "validation": "The split by which checkpoints, settings and architectures are chosen.",
    "vocabulary": "The distinct tokens of a tokenizer.",
    "warm-up": "The first steps of a run, in which the learning rate rises to its peak.",
    "window": "The tokens before a position that a model without attention sees, "
    "`context_length` of them.",
}


def meaning(term: str) -> str:
    """What a term means, in a sentence or two of Markdown."""
    return TERMS[term]


def page() -> str:
    """docs/glossary.md."""
    lines = [f"**{term}**: {sentence}" for term, sentence in sorted(TERMS.items(), key=_by_name)]
    return "\n\n".join(
        [
            "# Glossary",
            "The terms of the app, the command line and these documents. The settings of a run are "
            "explained by `python -m lm train --help`.",
            *lines,
            "",
        ]
    ).removesuffix("\n")


def _by_name(entry: tuple[str, str]) -> str:
    return entry[0].lower()


if __name__ == "__main__":
    print(page(), end="")
