"""Experiments with what the default recipes leave out; docs/recipes.md reports them.

    python -m bench.tried [--budget 1e12] [--seeds 3]

Each variant trains the default model of a budget, without the recipe's penalty on log Z, with one
thing changed: averages of the weights over the last steps, logits that are capped softly, batches
that grow, noisy inputs, or penalties that need no labels. It prints the validation loss: the mean
over the seeds, the lowest and the highest.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lm.architectures import DEFAULT, build_model
from lm.architectures.shared.heads import SoftmaxHead
from lm.architectures.shared.model import LanguageModel
from lm.datasets import Corpus, load
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.runs.plan import plan
from lm.runs.recipes import resolve
from lm.training.device import keep_memory
from lm.training.evaluation import evaluate
from lm.training.loop import Batch, Batches, TrainingState, loss_of, train
from lm.updates.config import TrainingConfig
from lm.updates.optimizers import build_optimizers, clip_gradients, set_learning_rate
from lm.updates.schedules import lr_scale

LAST_SHARES = (0.05, 0.1, 0.25)  # of the steps: the weights of the last ones are averaged
EMA_DECAYS = (0.9, 0.98)  # of exponential moving averages
CAPS = (10.0, 20.0)
NOISES = (0.01, 0.03)
PENALTIES = (0.03, 0.1, 0.2, 0.5)
BATCHES = ((0.5,), (0.75,), (0.5, 1.0), (0.25, 0.5, 1.0, 2.0))  # shares of the default's


class Average:
    """The mean of all weights that were added or, with `decay`, their moving average."""

    def __init__(self, model: LanguageModel, decay: float | None = None) -> None:
        self.model, self.decay, self.n = copy.deepcopy(model), decay, 0

    @torch.no_grad()
    def add(self, model: LanguageModel) -> None:
        self.n += 1
        weight = 1 / self.n if self.decay is None else max(1 / self.n, 1 - self.decay)
        for own, other in zip(self.model.parameters(), model.parameters(), strict=True):
            own.lerp_(other, weight)


class SoftCapped(SoftmaxHead):
    """A head whose logits x become cap · tanh(x / cap), as in Gemma 2 (arXiv 2408.00118)."""

    @property
    def gradients_in_forward(self) -> bool:
        return False

    def __init__(self, head: SoftmaxHead, cap: float) -> None:
        super().__init__(head.in_features, head.out_features, bias=head.bias is not None)
        self.weight, self.bias, self.cap = head.weight, head.bias, cap

    def forward(self, input: Tensor) -> Tensor:
        return self.cap * (super().forward(input) / self.cap).tanh()


Loss = Callable[[LanguageModel, Batch], Tensor]


def plain(model: LanguageModel, batch: Batch) -> Tensor:
    """The loss as the program trains by it."""
    return loss_of(model, batch, "all_positions")


def noisy(share: float) -> Loss:
    """The loss on inputs of which a share is replaced at random (Xie et al., arXiv 1703.02573)."""

    def loss(model: LanguageModel, batch: Batch) -> Tensor:
        replaced = torch.rand(batch.inputs.shape) < share
        others = torch.randint(model.vocab_size, batch.inputs.shape)
        return plain(model, replace(batch, inputs=torch.where(replaced, others, batch.inputs)))

    return loss


def penalised(entropy: float = 0.0, log_z: float = 0.0) -> Loss:
    """The loss with penalties on predictions that are too sure.

    Minus `entropy` times the prediction's entropy (Pereyra et al., arXiv 1701.06548), plus `log_z`
    times (log Z)², Z being the softmax's denominator.
    """

    def loss(model: LanguageModel, batch: Batch) -> Tensor:
        logits = model(batch.inputs).flatten(0, 1)
        log_p = logits.log_softmax(-1)
        mean_entropy = -(log_p.exp() * log_p).sum(-1).mean()
        squares = logits.logsumexp(-1).square().mean()
        return F.nll_loss(log_p, batch.targets.flatten()) - entropy * mean_entropy + log_z * squares

    return loss


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
        return state, Batches(token_ids, model.config.lookback, length, training.seed)

    def loss(self, model: LanguageModel) -> float:
        return evaluate(model, self.corpus.valid).loss

    def averaged(self, final_lr_fraction: float) -> dict[str, float]:
        """Validation losses of a run's last weights, and of averages of its weights on the way."""
        training = self.config.training.replace(final_lr_fraction=final_lr_fraction)
        state, batches = self.start(training)
        averages = {f"mean of the last {share:.0%}": Average(state.model) for share in LAST_SHARES}
        moving = {f"moving average, {decay}": Average(state.model, decay) for decay in EMA_DECAYS}
        begins = dict(zip(averages, LAST_SHARES, strict=True)) | dict.fromkeys(moving, 1.0)
        averages |= moving
        for _ in train(state, batches, training, self.plan):
            for what, average in averages.items():
                if state.step > self.plan.n_steps * (1 - begins[what]):
                    average.add(state.model)
        models = {"last weights": state.model, **{w: a.model for w, a in averages.items()}}
        rate = f"learning rate down to {final_lr_fraction:g}"
        return {f"{rate}: {what}": self.loss(model) for what, model in models.items()}

    def trained(
        self, loss: Loss = plain, shares: tuple[float, ...] = (1.0,), cap: float = math.inf
    ) -> float:
        """The validation loss of a run with one thing changed.

        Args:
            loss: What is differentiated.
            shares: Batch sizes, as shares of the default's; each in turn gets as many FLOPs. The
                learning rate is that of the FLOPs spent, times the root of a share below 1.
            cap: Of the logits.
        """
        training = self.config.training
        state, batches = self.start(training)
        model, (rows, length) = state.model, self.plan.shape
        if cap < math.inf:
            assert isinstance(model.head, SoftmaxHead)
            model.head = SoftCapped(model.head, cap)
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
            torch.manual_seed((training.seed << 32) + first_row)
            model.train()
            rate = lr_scale(training, spent, budget) * min(1.0, share**0.5)
            set_learning_rate(state.optimizers, rate)
            loss(model, batches(first_row, n_rows, length)).backward()
            clip_gradients(model.parameters(), training.grad_clip)
            for optimizer in state.optimizers:
                optimizer.step()
            model.zero_grad()
            first_row += n_rows


def losses(trial: Trial) -> Iterator[tuple[str, Callable[[], dict[str, float]]]]:
    """The variants: a name, and a function that trains it and returns its validation losses."""
    for final in (0.0, 0.2):
        yield f"learning rate down to {final:g}", partial(trial.averaged, final)

    def variant(name: str, **changes: Any) -> tuple[str, Callable[[], dict[str, float]]]:
        return name, lambda: {name: trial.trained(**changes)}

    for cap in CAPS:
        yield variant(f"logits capped at {cap:g}", cap=cap)
    for shares in BATCHES:
        listed = ", ".join(f"{share:g}" for share in shares)
        yield variant(f"batches of {listed}", shares=shares)
    for share in NOISES:
        yield variant(f"{share:.0%} of inputs at random", loss=noisy(share))
    for weight in PENALTIES:
        yield variant(f"entropy rewarded by {weight:g}", loss=penalised(entropy=weight))
        yield variant(f"log Z² penalised by {weight:g}", loss=penalised(log_z=weight))


def compare(data: DataConfig, budget: float, seeds: int, only: str = "") -> dict[str, list[float]]:
    """The validation losses, one for each seed, of the variants whose name holds `only`."""
    keep_memory()
    corpus = load(data, for_choice=True)
    by_variant: dict[str, list[float]] = {}
    for seed in range(seeds):
        config = resolve(
            architecture=DEFAULT,
            data=data,
            vocab_size=corpus.tokenizer.vocab_size,
            n_train_tokens=corpus.train.n_tokens,
            budget=budget,
            training={"seed": seed, "z_loss": 0.0},  # a penalty is one of the variants
        )
        for name, run in losses(Trial(corpus, config)):
            if only in name:
                for what, loss in run().items():
                    by_variant.setdefault(what, []).append(loss)
                    print(f"  seed {seed}: {what:55} {loss:.4f}", file=sys.stderr, flush=True)
    return by_variant


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--budget", type=float, default=1e12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", default="study")
    parser.add_argument("--only", default="", help="variants whose name holds this")
    options = parser.parse_args()
    data = DataConfig(split=options.split)
    by_variant = compare(data, options.budget, options.seeds, options.only)
    for what, values in by_variant.items():
        print(f"{what:63} {mean(values):.4f} [{min(values):.4f}, {max(values):.4f}]")


if __name__ == "__main__":
    main()
