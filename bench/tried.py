"""What the default recipes leave out, tried beside them, as docs/recipes.md reports it.

    python -m bench.tried [--budget 1e12] [--seeds 3]

Each variant trains the default transformer of a budget, its loop as runs take it but for the one
thing that the variant is about: averages of the weights over the last steps, logits that are
capped softly, batches that grow. What is printed is the validation loss, the mean of the seeds
with the least and the largest.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterator
from statistics import mean

import torch
from torch import Tensor, nn

from lm.config import DataConfig, RunConfig, TrainingConfig
from lm.datasets import Corpus, load
from lm.evaluation import evaluate
from lm.execution import keep_memory
from lm.flops import plan, step_flops
from lm.models import LanguageModel, build_model
from lm.optim import build_optimizers, clip_gradients, lr_scale, set_learning_rate
from lm.recipes import resolve
from lm.training import Batches, TrainingState, loss_of, train

LAST_SHARES = (0.05, 0.1, 0.25)  # of the steps, whose weights are averaged
EMA_DECAYS = (0.9, 0.98)  # of exponential moving averages
CAPS = (10.0, 20.0)
BATCHES = ((0.5,), (0.75,), (0.5, 1.0), (0.25, 0.5, 1.0, 2.0))  # shares of the default's


class Average:
    """The mean of a model's weights over the steps that `add` is told of."""

    def __init__(self, model: LanguageModel, decay: float | None = None) -> None:
        self.model, self.decay, self.n = copy.deepcopy(model), decay, 0

    @torch.no_grad()
    def add(self, model: LanguageModel) -> None:
        self.n += 1
        weight = 1 / self.n if self.decay is None else max(1 / self.n, 1 - self.decay)
        for own, other in zip(self.model.parameters(), model.parameters(), strict=True):
            own.lerp_(other, weight)


class SoftCapped(nn.Module):
    """Logits x as cap · tanh(x / cap), as in Gemma 2 (arXiv 2408.00118)."""

    def __init__(self, head: nn.Module, cap: float) -> None:
        super().__init__()
        self.head, self.cap = head, cap

    def forward(self, features: Tensor) -> Tensor:
        return self.cap * (self.head(features) / self.cap).tanh()


class Trial:
    """A corpus and a config, of which variants are trained."""

    def __init__(self, corpus: Corpus, config: RunConfig) -> None:
        self.corpus, self.config = corpus, config
        self.vocab_size = corpus.tokenizer.vocab_size
        self.plan = plan(config, self.vocab_size, corpus.train.n_tokens)

    def start(self, training: TrainingConfig) -> tuple[TrainingState, Batches]:
        model = build_model(self.config.model, self.vocab_size, training.seed)
        state = TrainingState(model=model, optimizers=build_optimizers(model, training))
        token_ids = torch.as_tensor(self.corpus.train.token_ids)
        length = self.config.sequence_length
        return state, Batches(token_ids, model.lookback, length, training.seed)

    def loss(self, model: LanguageModel) -> float:
        valid = self.corpus.valid
        return evaluate(model, valid.token_ids, n_chars=valid.n_chars).loss

    def averaged(self, final_lr_fraction: float) -> Iterator[tuple[str, float]]:
        """The last weights of a run, and averages of those on the way."""
        training = self.config.training.replace(final_lr_fraction=final_lr_fraction)
        state, batches = self.start(training)
        lasts = {share: Average(state.model) for share in LAST_SHARES}
        emas = {decay: Average(state.model, decay) for decay in EMA_DECAYS}
        for _ in train(state, batches, training, self.plan):
            for share, average in lasts.items():
                if state.step > self.plan.n_steps * (1 - share):
                    average.add(state.model)
            for average in emas.values():
                average.add(state.model)
        yield "the last weights", self.loss(state.model)
        for share, average in lasts.items():
            yield f"mean of the last {share:.0%}", self.loss(average.model)
        for decay, average in emas.items():
            yield f"moving average, {decay}", self.loss(average.model)

    def capped(self, cap: float) -> float:
        """With logits capped softly."""
        training = self.config.training
        state, batches = self.start(training)
        state.model.head = SoftCapped(state.model.head, cap)
        for _ in train(state, batches, training, self.plan):
            pass
        return self.loss(state.model)

    def in_batches(self, shares: tuple[float, ...]) -> float:
        """Batches of these shares of the default's, one after another, each for as many FLOPs.

        The learning rate follows the FLOPs, and the root of a share below 1.
        """
        training = self.config.training
        state, batches = self.start(training)
        model, (rows, length) = state.model, self.plan.shape
        budget, spent, first_row = self.plan.flops.total, 0, 0
        while True:
            share = shares[min(len(shares) - 1, spent * len(shares) // budget)]
            n_rows = max(1, round(rows * share))
            spent += step_flops(
                self.config.model,
                self.vocab_size,
                batch_size=n_rows,
                sequence_length=length,
                optimizer=training.optimizer,
            ).total
            if spent > budget:
                return self.loss(model)
            model.train()
            rate = lr_scale(training, spent, budget) * min(1.0, share**0.5)
            set_learning_rate(state.optimizers, rate)
            loss_of(model, batches(first_row, n_rows, length), training.objective).backward()
            clip_gradients(model, training.grad_clip)
            for optimizer in state.optimizers:
                optimizer.step()
                optimizer.zero_grad()
            first_row += n_rows


def losses(trial: Trial) -> Iterator[tuple[str, float]]:
    """Each variant's validation loss."""
    for end, final in (("0", 0.0), ("a fifth", 0.2)):
        for what, loss in trial.averaged(final):
            yield f"learning rate down to {end}: {what}", loss
    for cap in CAPS:
        yield f"logits capped at {cap:g}", trial.capped(cap)
    for shares in BATCHES:
        yield f"batches of {', '.join(f'{share:g}' for share in shares)}", trial.in_batches(shares)


def compare(data: DataConfig, budget: float, seeds: int) -> dict[str, list[float]]:
    """Each variant's validation losses, one for each seed."""
    keep_memory()
    corpus = load(data)
    by_variant: dict[str, list[float]] = {}
    for seed in range(seeds):
        config = resolve(
            architecture="transformer",
            data=data,
            vocab_size=corpus.tokenizer.vocab_size,
            n_train_tokens=corpus.train.n_tokens,
            budget=budget,
            training={"seed": seed},
        )
        for what, loss in losses(Trial(corpus, config)):
            by_variant.setdefault(what, []).append(loss)
            print(f"  seed {seed}: {what:55} {loss:.4f}", file=sys.stderr, flush=True)
    return by_variant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--budget", type=float, default=1e12)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    by_variant = compare(DataConfig(), options.budget, options.seeds)
    for what, values in by_variant.items():
        print(f"{what:63} {mean(values):.4f} [{min(values):.4f}, {max(values):.4f}]")


if __name__ == "__main__":
    main()
