"""One training step as a function of tensors alone, to be traced and compiled.

The model is the program's own, called as it is; its gradients are torch's, and the optimizers give
the formulas of their updates. What a step needs of its number, the learning rate above all, is an
input, so that one program serves every schedule, rate and seed.

Rows of n-gram tables that are updated when they are read are found beforehand, for many steps at
once, and so is what each of them has missed: see `lm.updates.table_rule`.
"""

# functorch and make_fx have few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from lm.architectures.shared.embeddings import EmbeddingModel
from lm.architectures.shared.model import LanguageModel
from lm.architectures.shared.tracing import tracing
from lm.training.compiled.lowering import RULES
from lm.training.compiled.tracing import traced, without_changes
from lm.training.loop import NotCompiledError
from lm.updates.adamw_rule import adamw_formula, adamw_numbers
from lm.updates.base_rule import Optimizer
from lm.updates.config import TrainingConfig
from lm.updates.spec import AnyOptimizer
from lm.updates.table_rule import TouchedRows, moved_on, touched

SMALL = 2**16  # numbers of a parameter that is updated in one with others
TABLE = ("weight", "mean", "square")  # what is stored of a table, each (rows, width)
COUNT = "step"  # the state of an optimizer that is no tensor of a parameter's shape


@dataclass(frozen=True)
class _Group:
    """Parameters that are updated as one: where they are small, calls cost more than numbers."""

    optimizer: Optimizer
    settings: dict[str, Any]
    parameters: list[nn.Parameter]

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


class Step:
    """A training's step: what it reads and writes, and its trace."""

    def __init__(
        self,
        model: LanguageModel,
        optimizers: Sequence[AnyOptimizer],
        training: TrainingConfig,
        loss_of: Callable[[LanguageModel, Tensor], Tensor],
        batch: Tensor,
    ) -> None:
        """`loss_of` takes rows of tokens as `batch` is one, (B, lookback + T + 1).

        Raises `NotCompiledError`.
        """
        self.model, self.training, self.loss_of, self.batch = model, training, loss_of, batch
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
        # of tables that are read alike, what one reads is true of all
        self._reader = next((m for m in model.modules() if isinstance(m, EmbeddingModel)), None)
        shapes = {tuple(table.rows.shape) for table in self.tables}
        if self.tables and (self._reader is None or len(shapes) > 1):
            raise NotCompiledError("Several tables are updated by the rows that each reads.")
        self._last = np.empty(0, dtype=np.int64)  # the steps that updated the rows of a table

    # --- what a step reads and writes -------------------------------------------------------------

    def state(self) -> list[Tensor]:
        """All that a step changes: parameters, what optimizers remember of them, tables."""
        return list(self._parts())

    def shapes(self) -> list[Tensor]:
        """Tensors of the shapes of `state`, which take no room."""
        return [part.new_zeros(1).expand(part.shape) for part in self._parts()]

    def _parts(self) -> Iterator[Tensor]:
        yield from self._dense()
        for table in self.tables:
            yield from map(_with_a_spare_row, table.rows.unbind(1))

    @torch.no_grad()
    def write(self, state: Sequence[Tensor], step: int) -> None:
        """Put a state, as it is after a step, into the model and its optimizers."""
        values = iter(state)
        for group, own in self._tensors():
            for each, part in zip(own, group.divided(next(values)), strict=True):
                each.copy_(part)
        for group in self.groups:
            for parameter in group.parameters:
                count = group.optimizer.of(parameter).get(COUNT)
                if count is not None:
                    count.fill_(step)
        for table in self.tables:
            for part in table.rows.unbind(1):
                part.copy_(next(values)[:-1])
            table.step_done = step

    def _dense(self) -> list[Tensor]:
        return [group.joined(tensors) for group, tensors in self._tensors()]

    def _tensors(self) -> Iterator[tuple[_Group, list[Tensor]]]:
        """For each group its parameters, and then each thing that is remembered of them."""
        for group in self.groups:
            yield group, [parameter.detach() for parameter in group.parameters]
            of_each = [group.optimizer.of(parameter) for parameter in group.parameters]
            for name in _names(of_each[0]):
                yield group, [remembered[name] for remembered in of_each]

    def begin(self) -> Iterator[Tensor]:
        """The state from which steps go on, whose inputs are asked for next.

        One by one, so that no copy of all of it is made on the way.
        """
        if self.tables:
            self._last = self.tables[0].last.numpy().copy()
        return self._parts()

    def inputs(self, batches: Tensor, first: int, rates: Callable[[int], None]) -> list[np.ndarray]:
        """What steps need beside the state, a row for each: (n, …) each.

        `batches` (n, B, lookback + T + 1) are the rows of the steps from `first` on, which follow
        those that were asked for before; `rates(step)` sets the optimizers' learning rates.
        """
        n = len(batches)
        numbers: list[list[float]] = []
        for step in range(first, first + n):
            rates(step)
            row = [self.training.grad_clip or np.inf]
            for group in self.groups:
                row += group.optimizer.numbers(group.settings, step)
            for table in self.tables[:1]:
                (settings,) = table.param_groups
                beta1, beta2 = table.tail.beta1, table.tail.beta2
                row += adamw_numbers(beta1, beta2, settings["lr"], settings["weight_decay"], step)
            numbers.append(row)
        inputs = [batches.numpy(), np.array(numbers, dtype=np.float32)]
        for table in self.tables[:1]:
            ids = self._table_ids(batches.flatten(0, 1)).reshape(n, -1)
            inputs += table.ahead(ids.numpy(), first, self._last)
        return inputs

    def took(self, inputs: Sequence[np.ndarray], first: int) -> None:
        """Note that the steps from `first` on, to which `inputs` belong, are taken."""
        for table in self.tables:
            table.took(inputs[2], first)

    def _table_ids(self, rows: Tensor) -> Tensor:
        model, lookback = self._reader, self.model.config.lookback
        assert model is not None
        before = rows[:, :lookback] if lookback else None
        return model.ngrams(*model.read(rows[:, lookback:-1], before))

    # --- the trace --------------------------------------------------------------------------------

    def trace(self) -> fx.GraphModule:
        """The graph of a step: its state and inputs in, the next state, loss and norm out."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        state, inputs = self.state(), self.example()

        def step(*given: Tensor) -> list[Tensor]:
            return self._step(given[: len(state)], given[len(state) :])

        mode = self.model.training
        self.model.train()
        try:
            with sdpa_kernel(SDPBackend.MATH), tracing():
                return traced(without_changes(step), [*state, *inputs], RULES)
        finally:
            self.model.train(mode)

    def example(self) -> list[Tensor]:
        """Inputs of one step, in shape."""
        n_numbers = 1 + sum(len(g.optimizer.numbers(g.settings, 1)) for g in self.groups)
        n_numbers += sum(len(adamw_numbers(0, 0, 0, 0, 1)) for _ in self.tables[:1])
        inputs = [self.batch[None].numpy(), np.ones((1, n_numbers), dtype=np.float32)]
        for table in self.tables[:1]:
            ids = self._table_ids(self.batch).reshape(1, -1)
            inputs += table.ahead_like(ids.numpy())
        return [torch.from_numpy(each[0]) for each in inputs]

    def _step(self, state: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        values = iter(state)
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        by_name: dict[str, Tensor] = {}
        together: list[tuple[Tensor, dict[str, Tensor]]] = []
        for group in self.groups:
            flat = next(values)
            for parameter, part in zip(group.parameters, group.divided(flat), strict=True):
                by_name[f"model.{names[parameter]}"] = part.detach().requires_grad_()
            remembered = _names(group.optimizer.of(group.parameters[0]))
            together.append((flat, {name: next(values) for name in remembered}))
        tables = [[next(values) for _ in TABLE] for _ in self.tables]
        tokens, numbers, *of_tables = inputs
        ids, places, tails = of_tables or (tokens, tokens, tokens)  # of no use without tables
        stored = [[part[ids] for part in table] for table in tables]
        read = [
            moved_on(*each, *tails[:3].unsqueeze(-1).unbind(0)).requires_grad_() for each in stored
        ]

        loss = _Loss(self.model, self.loss_of)
        with self._reading(places, read):
            value = torch.func.functional_call(loss, by_name, (tokens,), tie_weights=True)
        gradients = iter(
            torch.autograd.grad(value, [*by_name.values(), *read], materialize_grads=True)
        )
        flat_gradients = [
            group.joined([next(gradients) for _ in group.parameters]) for group in self.groups
        ]
        of_rows = list(gradients)
        every = [*flat_gradients, *of_rows]
        norm = torch.stack([gradient.square().sum() for gradient in every]).sum().sqrt()
        numbers = list(numbers.unbind())
        scale = (numbers.pop(0) / (norm + 1e-6)).clamp(max=1.0)

        def of_step(n: int) -> Tensor:
            taken = torch.stack(numbers[:n])
            del numbers[:n]
            return taken

        changed: list[Tensor] = []
        for group, gradient, (flat, remembered) in zip(
            self.groups, flat_gradients, together, strict=True
        ):
            taken = of_step(len(group.optimizer.numbers(group.settings, 1)))
            new, state_of = group.optimizer.formula(flat, gradient * scale, remembered, taken)
            changed += [new, *(state_of[name] for name in remembered)]
        taken = of_step(len(numbers)) if tables else norm
        for i, table in enumerate(tables):
            _, mean, square = stored[i]
            first, second = tails[3:].unsqueeze(-1).unbind(0)
            new = adamw_formula(read[i], of_rows[i] * scale, mean * first, square * second, taken)
            changed += [part.index_put((ids,), n) for part, n in zip(table, new, strict=True)]
        return [*changed, value, norm]

    @contextlib.contextmanager
    def _reading(self, places: Tensor, read: Sequence[Tensor]) -> Iterator[None]:
        """Within, tables read the rows at hand."""
        readers = [table.table.reader for table in self.tables]
        for table, rows in zip(self.tables, read, strict=True):
            table.table.reader = lambda ids, rows=rows: F.embedding(places.view(ids.shape), rows)
        try:
            yield
        finally:
            for table, reader in zip(self.tables, readers, strict=True):
                table.table.reader = reader


class _Loss(nn.Module):
    """The loss of a model as a module, which torch can call with other parameters."""

    def __init__(
        self, model: LanguageModel, loss_of: Callable[[LanguageModel, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.model, self.loss_of = model, loss_of

    def forward(self, rows: Tensor) -> Tensor:
        return self.loss_of(self.model, rows)


def _names(remembered: dict[str, Tensor]) -> list[str]:
    return [name for name in remembered if name != COUNT]


def _with_a_spare_row(rows: Tensor) -> Tensor:
    """(rows, width) with one more row at its end, which stands for no n-gram."""
    return torch.cat([rows, rows.new_zeros(1, *rows.shape[1:])])
