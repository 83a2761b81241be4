"""What the default recipes compute besides matrix products: the tables of docs/flops.md.

    LM_DATASETS=… python -m bench.scale

Nothing is trained. nanoGPT's CPU configuration is counted by the same meter, for its 2,000 steps.
"""

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.jobs.sweeps import Sweep, expand
from lm.runs.plan import plan
from lm.runs.scale import scale_at

RECIPES = {"architecture": list(ARCHITECTURES), "budget": [1e10, 1e11, 1e12, 1e13]}
NANOGPT = {"preset": "nanogpt", "steps": 2_000}


def main() -> None:
    """Print a row per recipe, and one for nanoGPT."""
    corpus = load(DataConfig())
    vocab_size = corpus.tokenizer.vocab_size
    recipes = expand(Sweep.from_dict({"name": "recipes", "axes": RECIPES}))
    nanogpt = expand(Sweep.from_dict({"name": "nanoGPT", "base": NANOGPT}))
    print("| | FLOPs | operations | for each FLOP | by the optimizer | bytes | for each FLOP |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for config in recipes + nanogpt:
        steps = plan(config, vocab_size, corpus.train.n_tokens)
        scale = scale_at(config, vocab_size, steps, steps.n_steps)
        flops, operations, moved = steps.flops.total, scale.operations, scale.bytes.total
        budget = config.training.budget
        name = (
            f"{config.model.architecture}, {flops_text(budget)}"
            if budget
            else "nanoGPT's CPU configuration"
        )
        print(
            f"| {name} | {flops_text(flops)} | {flops_text(operations.total)} "
            f"| {operations.total / flops:.2f} "
            f"| {100 * operations.optimizer / operations.total:.0f} % "
            f"| {flops_text(moved)} | {moved / flops:.2f} |"
        )


if __name__ == "__main__":
    main()
