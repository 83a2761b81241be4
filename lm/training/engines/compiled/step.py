"""One training step as a function of tensors alone, to be traced and compiled.

The model is the program's own, called as it is; its gradients are torch's, and the optimizers give
the formulas of their updates. What a step needs of its number, the learning rate above all, is an
input, so that one program serves every schedule, rate and seed.

Rows of n-gram tables that are updated when they are read are found beforehand, for many steps at
once, and so is what each of them has missed: see `lm.updates.table_rule`.
"""

# functorch has few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from lm.architectures.shared.embeddings import EmbeddingModel
from lm.architectures.shared.losses import softmax_loss
from lm.architectures.shared.model import LanguageModel
from lm.architectures.shared.products import attention_by_products
from lm.runs.config import RunConfig
from lm.runs.plan import Plan
from lm.training.batches import loss_of, split_rows
from lm.training.engines.compiled.lowering import RULES
from lm.training.engines.compiled.tracing import traced, without_changes
from lm.updates.adamw_rule import adamw_formula
from lm.updates.base_rule import Optimizer
from lm.updates.config import TrainingConfig
from lm.updates.optimizers import set_learning_rate
from lm.updates.schedules import lr_scale
from lm.updates.spec import AnyOptimizer
from lm.updates.table_rule import TouchedRows, moved_on, touched

SMALL = 2**16  # numbers of a parameter that is updated in one with others
TABLE = ("weight", "mean", "square")  # what is stored of a table, each (rows, width)
COUNT = "step"  # the state of an optimizer that is no tensor of a parameter's shape

T = TypeVar("T")


class NotCompiledError(ValueError):
    """A training has a part that is not compiled; the message says which."""


@dataclass(frozen=True)
class _Group:
    """Parameters that are updated as one: where they are small, calls cost more than numbers."""

    optimizer: Optimizer
    settings: dict[str, Any]  # the optimizer's own group
    parameters: list[nn.Parameter]

    @property
    def remembered(self) -> list[str]:
        """What the optimizer remembers of each parameter, by name."""
        return [name for name in self.optimizer.of(self.parameters[0]) if name != COUNT]

    def numbers(self, step: int) -> list[float]:
        """What the update needs of a step."""
        return self.optimizer.numbers(self.settings, step)

    def joined(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors of the parameters' shapes as one."""
        if len(tensors) == 1:
            return tensors[0]
        return torch.cat([tensor.flatten() for tensor in tensors])

    def divided(self, tensor: Tensor) -> list[Tensor]:
        """The inverse of `joined`."""
        if len(self.parameters) == 1:
            return [tensor]
        parts = tensor.split([parameter.numel() for parameter in self.parameters])
        return [part.view(p.shape) for part, p in zip(parts, self.parameters, strict=True)]

    def tensors(self) -> Iterator[list[Tensor]]:
        """The parameters, and then each thing that is remembered of them."""
        yield [parameter.detach() for parameter in self.parameters]
        for name in self.remembered:
            yield [self.optimizer.of(parameter)[name] for parameter in self.parameters]


class CompiledStep:
    """A training's step: what it reads and writes, and its trace."""

    def __init__(
        self,
        model: LanguageModel,
        optimizers: list[AnyOptimizer],
        config: RunConfig,
        plan: Plan,
        rows: Tensor,
    ) -> None:
        """`rows` (B, lookback + T + 1) are those of any step. Raises `NotCompiledError`."""
        self.model, self.optimizers, self.training = model, optimizers, config.training
        self.n_steps, self.rows = plan.n_steps, rows
        self.tables = list(touched(optimizers))
        self.groups: list[_Group] = []
        for optimizer in optimizers:
            if isinstance(optimizer, TouchedRows):
                continue
            if not isinstance(optimizer, Optimizer):
                raise NotCompiledError(f"{type(optimizer).__name__} has no formula.")
            for group in optimizer.param_groups:
                small = [p for p in group["params"] if p.numel() <= SMALL and optimizer.elementwise]
                apart = [[p] for p in group["params"] if not any(p is each for each in small)]
                for parameters in (*([small] if small else []), *apart):
                    self.groups.append(_Group(optimizer, group, parameters))
        # tables of one shape are read alike: their rows are found for the first one
        self._reader = next((m for m in model.modules() if isinstance(m, EmbeddingModel)), None)
        shapes = {tuple(table.rows.shape) for table in self.tables}
        if self.tables and (self._reader is None or len(shapes) > 1):
            raise NotCompiledError("Several tables are updated by the rows that each reads.")
        self._updated_at = np.empty(0, dtype=np.int64)  # (n_rows,) the last step that read a row

    # --- what a step reads and writes -------------------------------------------------------------

    def state(self) -> Iterator[Tensor]:
        """All that a step changes: parameters, what optimizers remember of them, tables.

        One by one, so that no copy of all of it is made on the way.
        """
        for group in self.groups:
            yield from map(group.joined, group.tensors())
        for table in self.tables:
            for part in table.rows.unbind(1):  # (n_rows, width), and a row that is no n-gram's
                yield torch.cat([part, part.new_zeros(1, part.shape[1])])

    def begin(self) -> Iterator[Tensor]:
        """The state from which steps go on, whose inputs are asked for next."""
        if self.tables:
            self._updated_at = self.tables[0].last.numpy().copy()
        return self.state()

    def shapes(self) -> list[Tensor]:
        """Tensors of the shapes of the state, which take no room."""
        return [part.new_zeros(1).expand(part.shape) for part in self.state()]

    @torch.no_grad()
    def write(self, state: Sequence[Tensor], step: int) -> None:
        """Put a state, as it is after a step, into the model and its optimizers."""
        of_groups, of_tables = self._by_owner(state)
        for group, values in zip(self.groups, of_groups, strict=True):
            for own, value in zip(group.tensors(), values, strict=True):
                for each, part in zip(own, group.divided(value), strict=True):
                    each.copy_(part)
            for parameter in group.parameters:
                count = group.optimizer.of(parameter).get(COUNT)
                if count is not None:
                    count.fill_(step)
        for table, parts in zip(self.tables, of_tables, strict=True):
            for own, part in zip(table.rows.unbind(1), parts, strict=True):
                own.copy_(part[:-1])
            table.advance_to(step)

    def _by_owner(self, state: Sequence[T]) -> tuple[list[Sequence[T]], list[Sequence[T]]]:
        """A state in parts: of each group, and of each table."""
        lengths = [1 + len(group.remembered) for group in self.groups]
        parts = _cut(state, [*lengths, *(len(TABLE) for _ in self.tables)])
        return parts[: len(lengths)], parts[len(lengths) :]

    def inputs(self, rows: Tensor, steps: range) -> tuple[list[np.ndarray], list[float]]:
        """What steps need beside the state, a row for each, (n, …); and their learning rates.

        `rows` (n, B, lookback + T + 1) are those of `steps`, which follow the steps before.
        """
        numbers: list[list[float]] = []
        rates: list[float] = []
        for step in steps:
            scale = lr_scale(self.training, step, self.n_steps)
            rates.append(set_learning_rate(self.optimizers, scale))
            numbers.append(list(itertools.chain.from_iterable(self._numbers(step))))
        arrays = [rows.numpy(), np.array(numbers, dtype=np.float32)]
        if self.tables:
            ids = self._table_ids(rows.flatten(0, 1)).reshape(len(steps), -1).numpy()
            arrays += self.tables[0].reads(ids, steps.start, self._updated_at)
        return arrays, rates

    def _numbers(self, step: int) -> list[list[float]]:
        """The limit for clipping, and what each group and the tables need of a step."""
        of_tables = [table.numbers(step) for table in self.tables[:1]]
        limit = self.training.grad_clip or np.inf
        return [[limit], *(group.numbers(step) for group in self.groups), *of_tables]

    def example(self) -> list[Tensor]:
        """Inputs of one step, in shape."""
        n_numbers = sum(map(len, self._numbers(1)))
        arrays = [self.rows[None].numpy(), np.ones((1, n_numbers), dtype=np.float32)]
        if self.tables:
            ids = self._table_ids(self.rows).reshape(1, -1).numpy()
            arrays += self.tables[0].reads(ids, 1, np.zeros(len(self.tables[0].rows), np.int64))
        return [torch.from_numpy(each[0]) for each in arrays]

    def note_rows(self, arrays: Sequence[np.ndarray], places: range, first: int) -> None:
        """Note which rows of tables the steps from `first` on update; `places`: of their inputs."""
        for table in self.tables:
            table.note_updated(arrays[2][places.start : places.stop], first)

    def _table_ids(self, rows: Tensor) -> Tensor:
        """The rows of a table that are read for rows of text."""
        assert self._reader is not None
        batch = split_rows(rows, self.model.config.lookback)
        return self._reader.ngrams(*self._reader.read(batch.inputs, batch.before))

    # --- the trace --------------------------------------------------------------------------------

    def trace(self) -> fx.GraphModule:
        """The graph of a step: its state and inputs in, the next state, loss and norm out."""
        state, inputs = list(self.state()), self.example()

        def step(*given: Tensor) -> list[Tensor]:
            return self._step(given[: len(state)], given[len(state) :])

        mode = self.model.training
        self.model.train()
        try:
            with sdpa_kernel(SDPBackend.MATH):
                return traced(without_changes(step), [*state, *inputs], RULES)
        finally:
            self.model.train(mode)

    def _step(self, state: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """The next state, the loss and the norm of the gradients.

        How many operators come before one that draws seeds what it draws (see `lowering`): one
        more before the loss would give other masks of dropout.
        """
        of_groups, of_tables = self._by_owner(state)
        tokens, numbers, *reads = inputs  # reads: those of `TouchedRows.reads`, if there are tables

        # forward, from the rows of tables that are read and all other parameters
        parameters: dict[str, Tensor] = {}
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        for group, (joined, *_) in zip(self.groups, of_groups, strict=True):
            for parameter, part in zip(group.parameters, group.divided(joined), strict=True):
                parameters[f"model.{names[parameter]}"] = part.detach().requires_grad_()
        stored: list[list[Tensor]] = []  # of each table: weight and both moments, (N, width)
        read: list[Tensor] = []  # of each table: the weights, after the steps they have missed
        for table in of_tables:
            ids, _, tails = reads
            rows = [part[ids] for part in table]
            kept, moved, epsilon = tails[:3].unsqueeze(-1).unbind(0)
            stored.append(rows)
            read.append(moved_on(rows[0], rows[1], rows[2], kept, moved, epsilon).requires_grad_())
        with self._tables_give(read, reads), _BasicOperators():
            module = _Loss(self.model, self.training)
            loss = torch.func.functional_call(module, parameters, (tokens,), tie_weights=True)

        # backward, and what the gradients are multiplied by
        every = [*parameters.values(), *read]
        gradients = torch.autograd.grad(loss, every, materialize_grads=True)
        *parts, of_read = _cut(gradients, [*(len(g.parameters) for g in self.groups), len(read)])
        of_parameters = [group.joined(part) for group, part in zip(self.groups, parts, strict=True)]
        squares = [gradient.square().sum() for gradient in (*of_parameters, *of_read)]
        norm = torch.stack(squares).sum().sqrt()
        limit, *of_step = numbers.split([len(each) for each in self._numbers(1)])
        clip = (limit[0] / (norm + 1e-6)).clamp(max=1.0)

        # update
        changed: list[Tensor] = []
        for i, group in enumerate(self.groups):
            joined, *remembered = of_groups[i]
            before = dict(zip(group.remembered, remembered, strict=True))
            gradient = of_parameters[i] * clip
            new, after = group.optimizer.formula(joined, gradient, before, of_step[i])
            changed += [new, *(after[name] for name in before)]
        for table, (_, mean, square), weight, gradient in zip(
            of_tables, stored, read, of_read, strict=True
        ):
            ids, _, tails = reads
            mean_left, square_left = tails[3:].unsqueeze(-1).unbind(0)
            moments = mean * mean_left, square * square_left
            new = adamw_formula(weight, gradient * clip, *moments, of_step[-1])
            changed += [part.index_put((ids,), own) for part, own in zip(table, new, strict=True)]
        return [*changed, loss, norm]

    @contextlib.contextmanager
    def _tables_give(self, read: Sequence[Tensor], reads: Sequence[Tensor]) -> Iterator[None]:
        """Within, a table is read from the rows at hand, by the place of each n-gram in them."""
        readers = [table.table.reader for table in self.tables]
        for table, rows in zip(self.tables, read, strict=True):
            table.table.reader = lambda ids, rows=rows: F.embedding(reads[1].view(ids.shape), rows)
        try:
            yield
        finally:
            for table, reader in zip(self.tables, readers, strict=True):
                table.table.reader = reader


def _cut(values: Sequence[T], lengths: Iterable[int]) -> list[Sequence[T]]:
    """Consecutive pieces of these lengths."""
    ends = [0, *itertools.accumulate(lengths)]
    return [values[begin:end] for begin, end in itertools.pairwise(ends)]


class _Loss(nn.Module):
    """The loss of a model as a module, which torch can call with other parameters."""

    def __init__(self, model: LanguageModel, training: TrainingConfig) -> None:
        super().__init__()
        self.model, self.training_config = model, training

    def forward(self, rows: Tensor) -> Tensor:
        batch, training = split_rows(rows, self.model.config.lookback), self.training_config
        return loss_of(self.model, batch, training.objective, training.z_loss)


class _BasicOperators(TorchFunctionMode):
    """Within, what PyTorch has as one operator is computed by basic ones, which XLA fuses."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.cross_entropy:
            return softmax_loss(*args)
        if func is F.scaled_dot_product_attention and not kwargs["dropout_p"]:
            return attention_by_products(*args)
        return func(*args, **kwargs)
