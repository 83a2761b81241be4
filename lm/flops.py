"""Training FLOPs and parameters of a model, by formula, module by module.

Convention: one multiply-add is 2 FLOPs; matrix products of forward, backward and optimizer
count, nothing else does (embedding lookups, softmax, norms, elementwise work). Attention is
counted dense, T x T, without a discount for causality. `lm.meter` measures the same quantity
with PyTorch's FlopCounterMode; the two agree exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lm.config import (
    AttentionConfig,
    LinearConfig,
    MLPConfig,
    ModelConfig,
    RunConfig,
    TransformerConfig,
)

NEWTON_SCHULZ_STEPS = 5  # torch.optim.Muon's default


@dataclass(frozen=True, kw_only=True)
class FlopCount:
    """FLOPs of training, in its three parts."""

    forward: int = 0
    backward: int = 0
    optimizer: int = 0

    @property
    def total(self) -> int:
        return self.forward + self.backward + self.optimizer

    def __add__(self, other: FlopCount) -> FlopCount:
        return FlopCount(
            forward=self.forward + other.forward,
            backward=self.backward + other.backward,
            optimizer=self.optimizer + other.optimizer,
        )

    def __mul__(self, times: int) -> FlopCount:
        return FlopCount(
            forward=self.forward * times,
            backward=self.backward * times,
            optimizer=self.optimizer * times,
        )

    def to_dict(self) -> dict[str, int]:
        return {
            "forward": self.forward,
            "backward": self.backward,
            "optimizer": self.optimizer,
            "total": self.total,
        }


@dataclass(frozen=True, kw_only=True)
class Module:
    """A part of a model: what it stores and which matrix product it is."""

    name: str
    n_params: int
    weight: tuple[int, int] | None = None  # (d_out, d_in) of a linear map
    attention_width: int = 0  # n_heads * d_head where queries meet keys and values
    hidden: bool = False  # a matrix that Muon orthogonalises
    before: int = 0  # positions before each row for which it is computed too
    output: bool = False  # applied once per prediction, not once per position


def modules(config: ModelConfig, vocab_size: int) -> list[Module]:
    """The parts of a model in the order of computation; names are those of `lm.models`."""
    if isinstance(config, LinearConfig | MLPConfig):
        return _window_modules(config, vocab_size)
    return _self_attention_modules(config, vocab_size)


def n_params(config: ModelConfig, vocab_size: int) -> int:
    """Trainable numbers of a model, shared ones counted once."""
    return sum(module.n_params for module in modules(config, vocab_size))


def _linear(name: str, d_in: int, d_out: int, bias: bool, hidden: bool = True) -> Module:
    n = d_out * d_in + (d_out if bias else 0)
    return Module(name=name, n_params=n, weight=(d_out, d_in), hidden=hidden)


def _embeddings(config: ModelConfig, vocab_size: int, width: int) -> list[Module]:
    parts = [Module(name="embedding", n_params=vocab_size * width)]
    if config.ngram_order > 1:
        d_in = (config.ngram_order - 1) * config.ngram_width
        projection = _linear("ngram_projection", d_in, width, bias=False, hidden=False)
        if isinstance(config, LinearConfig | MLPConfig):
            projection = replace(projection, before=config.context_length - config.ngram_order)
        parts += [Module(name="ngram_embedding", n_params=config.ngram_rows * d_in), projection]
    return parts


def _head(d_in: int, vocab_size: int, bias: bool) -> Module:
    return replace(_linear("head", d_in, vocab_size, bias, hidden=False), output=True)


def cluster_shape(vocab_size: int) -> tuple[int, int]:
    """Clusters of a two-level softmax, and the tokens in each: consecutive ids, √V of them.

    The last may have fewer; it is computed as if it had as many, so that every prediction costs
    the same. Words are numbered by frequency: a cluster holds words that are equally rare.
    """
    size = math.isqrt(vocab_size - 1) + 1
    return -(-vocab_size // size), size


def _window_modules(config: LinearConfig | MLPConfig, vocab_size: int) -> list[Module]:
    parts = _embeddings(config, vocab_size, config.d_embed)
    width = (config.context_length - config.ngram_order + 1) * config.d_embed
    if isinstance(config, MLPConfig):
        for i in range(config.n_layers):
            parts.append(_linear(f"hidden.{i}", width, config.d_hidden, config.bias))
            width = config.d_hidden
    return [*parts, _head(width, vocab_size, config.bias)]


def _self_attention_modules(
    config: AttentionConfig | TransformerConfig, vocab_size: int
) -> list[Module]:
    d = config.d_model
    width = config.n_heads * config.d_head
    norm_params = 2 * d if config.norm == "layer" and config.bias else d
    parts = _embeddings(config, vocab_size, d)
    if config.positional_encoding == "learned":
        parts.append(Module(name="position_embedding", n_params=config.context_length * d))
    for i in range(config.n_layers):
        name = f"blocks.{i}.attention"
        parts += [
            Module(name=f"blocks.{i}.attention_norm", n_params=norm_params),
            _linear(f"{name}.query_key_value", d, 3 * width, config.bias),
            Module(name=name, n_params=0, attention_width=width),
            _linear(f"{name}.output", width, d, config.bias),
        ]
        if isinstance(config, TransformerConfig):
            name = f"blocks.{i}.feed_forward"
            parts.append(Module(name=f"blocks.{i}.feed_forward_norm", n_params=norm_params))
            if config.activation == "swiglu":
                parts.append(_linear(f"{name}.gate", d, config.d_ff, config.bias))
            parts += [
                _linear(f"{name}.up", d, config.d_ff, config.bias),
                _linear(f"{name}.down", config.d_ff, d, config.bias),
            ]
    if config.norm_position == "pre":
        parts.append(Module(name="final_norm", n_params=norm_params))
    head = _head(d, vocab_size, bias=False)
    if config.tie_embeddings:
        head = replace(head, n_params=0)
    if config.output == "softmax":
        return [*parts, head]
    n_clusters, size = cluster_shape(vocab_size)
    clusters = replace(_head(d, n_clusters, bias=False), name="head.clusters")
    return [*parts, clusters, replace(head, weight=(size, d))]


def step_flops_by_module(
    config: ModelConfig,
    vocab_size: int,
    *,
    batch_size: int,
    sequence_length: int,
    optimizer: str = "adamw",
    objective: str = "all_positions",
) -> dict[str, FlopCount]:
    """FLOPs of one optimizer update on `batch_size` rows of `sequence_length` predictions.

    With objective "last_position" the head runs on the last position of each row alone. That of
    a two-level softmax is, to each prediction, the matrix of one cluster.
    """
    positions = batch_size * sequence_length
    predictions = batch_size if objective == "last_position" else positions
    counts = {}
    for module in modules(config, vocab_size):
        forward = 0
        if module.weight:
            d_out, d_in = module.weight
            n = predictions if module.output else positions + batch_size * module.before
            forward = 2 * n * d_out * d_in
        elif module.attention_width:  # queries times keys, then weights times values
            forward = 4 * positions * sequence_length * module.attention_width
        update = 0
        if optimizer == "muon" and module.hidden and module.weight:
            m, n = min(module.weight), max(module.weight)
            update = NEWTON_SCHULZ_STEPS * (4 * m * m * n + 2 * m * m * m)
        # backward: one product for the gradient of each factor; embeddings are learned, so the
        # first layer's input has a gradient too
        counts[module.name] = FlopCount(forward=forward, backward=2 * forward, optimizer=update)
    return counts


def step_flops(
    config: ModelConfig,
    vocab_size: int,
    *,
    batch_size: int,
    sequence_length: int,
    optimizer: str = "adamw",
    objective: str = "all_positions",
) -> FlopCount:
    """FLOPs of one optimizer update: the sum of `step_flops_by_module`."""
    counts = step_flops_by_module(
        config,
        vocab_size,
        batch_size=batch_size,
        sequence_length=sequence_length,
        optimizer=optimizer,
        objective=objective,
    )
    return sum(counts.values(), FlopCount())


# --- from a horizon to steps ------------------------------------------------------------------


class BudgetError(ValueError):
    """A budget that does not pay for one step."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of a run. All have one shape, except sometimes the last."""

    n_steps: int
    shape: tuple[int, int]  # rows, predictions per row
    last_shape: tuple[int, int]
    step: FlopCount
    last_step: FlopCount
    predictions_per_step: int
    predictions_last_step: int

    @property
    def flops(self) -> FlopCount:
        """FLOPs of the whole run."""
        return self.flops_at(self.n_steps)

    @property
    def tokens(self) -> int:
        """Training tokens of the whole run."""
        return self.tokens_at(self.n_steps)

    def shape_at(self, step: int) -> tuple[int, int]:
        """Rows and predictions per row of step 1, 2, ..., n_steps."""
        return self.last_shape if step == self.n_steps else self.shape

    def flops_at(self, step: int) -> FlopCount:
        """Cumulative FLOPs after `step` steps."""
        if step == self.n_steps:
            return self.step * (step - 1) + self.last_step
        return self.step * step

    def tokens_at(self, step: int) -> int:
        """Cumulative predictions that entered a loss after `step` steps."""
        last = self.predictions_last_step if step == self.n_steps else self.predictions_per_step
        return self.predictions_per_step * (step - 1) + last if step else 0


def plan(config: RunConfig, vocab_size: int, n_train_tokens: int) -> Plan:
    """Turn the horizon of a run into steps.

    A budget is never exceeded and at least 95 % of it is spent: where whole steps leave more
    than that, the last step gets a shape of its own. Raises `BudgetError` for a budget below
    one step, naming the smallest that works.
    """
    training = config.training
    shape = (training.batch_size, config.sequence_length)
    last_position = training.objective == "last_position"

    def cost(rows: int, length: int) -> FlopCount:
        return step_flops(
            config.model,
            vocab_size,
            batch_size=rows,
            sequence_length=length,
            optimizer=training.optimizer,
            objective=training.objective,
        )

    def predictions(rows: int, length: int) -> int:
        return rows if last_position else rows * length

    step = cost(*shape)
    last_shape = shape
    if training.budget is not None:
        n_steps = int(training.budget // step.total)
        if n_steps == 0:
            raise BudgetError(
                f"budget must pay for at least one step, {step.total:,} FLOPs for "
                f"{shape[0]} rows of {shape[1]} predictions. Received: {training.budget:,.0f}. "
                "Raise the budget, or lower batch_size or the model's size."
            )
        if n_steps * step.total < 0.95 * training.budget:
            rest = training.budget - (n_steps - 1) * step.total
            last_shape = _largest_shape(cost, rest, shape)
    elif training.steps is not None:
        n_steps = training.steps
    else:
        assert training.epochs is not None
        n_steps = max(1, round(training.epochs * n_train_tokens / predictions(*shape)))
    return Plan(
        n_steps=n_steps,
        shape=shape,
        last_shape=last_shape,
        step=step,
        last_step=cost(*last_shape),
        predictions_per_step=predictions(*shape),
        predictions_last_step=predictions(*last_shape),
    )


def _largest_shape(cost, budget: float, shape: tuple[int, int]) -> tuple[int, int]:
    """The shape, rows no longer than `shape`'s, that spends most of `budget`."""

    def rows_for(length: int) -> int:
        fixed = cost(1, length)
        per_row = fixed.forward + fixed.backward
        return int((budget - fixed.optimizer) // per_row)

    candidates = [(rows_for(length), length) for length in range(shape[1], 0, -1)]
    affordable = [candidate for candidate in candidates if candidate[0] >= 1]
    for candidate in affordable:  # the longest rows that waste little
        if cost(*candidate).total >= 0.98 * budget:
            return candidate
    return max(affordable, key=lambda candidate: cost(*candidate).total)
