"""What the default recipes compute besides matrix products: the tables of docs/flops.md.

    LM_DATASETS=… python -m bench.scale

Nothing is trained. nanoGPT's CPU configuration is counted by the same meter, for its 2,000 steps.
"""

from bench.recipes import recipe
from lm.architectures import ARCHITECTURES, DEFAULT
from lm.base.flops import flops_text
from lm.datasets import Corpus, load
from lm.datasets.config import DataConfig
from lm.runs import recipes
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.runs.scale import scale_at

BUDGETS = (1e10, 1e11, 1e12, 1e13)
NANOGPT_STEPS = 2_000


def main() -> None:
    """Print a row per recipe, and one for nanoGPT."""
    corpus = load(DataConfig(dataset="tiny_shakespeare"))
    nanogpt = recipes.resolve(
        architecture=DEFAULT,
        data=corpus.data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        preset="nanogpt",
        steps=NANOGPT_STEPS,
    )
    print("| | FLOPs | operations | for each FLOP | by the optimizer | bytes | for each FLOP |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for architecture in ARCHITECTURES:
        for budget in BUDGETS:
            show(
                f"{architecture}, {flops_text(budget)}",
                recipe(corpus, architecture, budget),
                corpus,
            )
    show("nanoGPT's CPU configuration", nanogpt, corpus)


def show(name: str, config: RunConfig, corpus: Corpus) -> None:
    """A row of Markdown."""
    steps = plan(config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    scale = scale_at(config, corpus.tokenizer.vocab_size, steps, steps.n_steps)
    flops, operations, moved = steps.flops.total, scale.operations, scale.bytes.total
    print(
        f"| {name} | {flops_text(flops)} | {flops_text(operations.total)} "
        f"| {operations.total / flops:.2f} | {100 * operations.optimizer / operations.total:.0f} % "
        f"| {flops_text(moved)} | {moved / flops:.2f} |"
    )


if __name__ == "__main__":
    main()
