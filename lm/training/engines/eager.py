"""PyTorch's own steps, one at a time: rows, loss, gradients, clipping, update.

Data order and dropout depend on `(seed, step)` alone. So a training that stops after any step and
goes on from its `tensors` gives the same bits, on the same number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lm.architectures.shared.model import LanguageModel, load_weights, weights
from lm.architectures.shared.products import rounded_to
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.training.batches import Batches, loss_of
from lm.updates.optimizers import build_optimizers, clip_gradients, set_learning_rate
from lm.updates.schedules import lr_scale
from lm.updates.table_rule import touched


@dataclass(frozen=True)
class Results:
    """What n steps gave. On an accelerator it may still be at work on them."""

    losses: Tensor  # (n,)
    norms: Tensor  # (n,) of the gradients, before clipping
    learning_rates: list[float]


NO_STEPS = Results(torch.empty(0), torch.empty(0), [])


class Eager:
    """Takes the steps of a training; the base of the other engines."""

    compiling = False  # whether steps wait for a program
    not_compiled: str | None = None  # why there is none, for an engine that should have one

    def __init__(self, model: LanguageModel, config: RunConfig, token_ids: Tensor) -> None:
        """`token_ids` (N,), on the model's device, is the text to learn from."""
        self.config, self.training = config, config.training
        self.plan = plan(config, model.vocab_size, len(token_ids))
        self.optimizers = build_optimizers(model, self.training, self.plan.n_steps)
        lookback, length = config.model.lookback, config.sequence_length
        self.batches = Batches(token_ids, lookback, length, self.training.seed)
        self.step = 0  # the last one that was taken
        self._model, self._parameters = model, list(model.parameters())
        self._tables = list(touched(self.optimizers))

    def take(self, most: int) -> Results:
        """Take the next steps, at most `most`: here one, none while an engine is being compiled."""
        step = self.step + 1
        rate = set_learning_rate(self.optimizers, lr_scale(self.training, step, self.plan.n_steps))
        loss = self._gradients(step)
        rows = [table.merged().weights for table in self._tables]
        norm = clip_gradients([*self._parameters, *rows], self.training.grad_clip)
        for optimizer in self.optimizers:
            optimizer.step()
        for parameter in self._parameters:
            parameter.grad = None
        self.step = step
        return Results(loss[None], norm[None], [rate])

    def _gradients(self, step: int) -> Tensor:
        """Leave the gradients of a step in the parameters, and return its loss."""
        return self._gradients_of_rows(step, range(self.plan.shape_at(step)[0]))

    def _gradients_of_rows(self, step: int, rows: range, part: int = 0) -> Tensor:
        """The same of some rows of a step, for which chance is drawn by the number of the part."""
        n_rows, length = self.plan.shape_at(step)
        first_row = (step - 1) * self.plan.shape[0] + rows.start
        batch = self.batches(first_row, len(rows), length)
        device = batch.inputs.device
        _seed_dropout((self.training.seed << 32) + (part << 24) + step, device)
        for table in self._tables:
            table.begin(step)
        if not self._model.training:
            self._model.train()
        with rounded_to(self.training.precision, device):
            loss = loss_of(self._model, batch, self.training.objective, self.training.z_loss)
            loss = loss * (len(rows) / n_rows)
        loss.backward()
        return loss.detach()

    def close(self) -> None:
        """Let go of what takes steps; the next step would begin it anew."""

    # --- the state --------------------------------------------------------------------------------

    @property
    def model(self) -> LanguageModel:
        """The model after the last step."""
        return self._model

    def weights(self) -> dict[str, Tensor]:
        """The model's weights by name after the last step."""
        tables = {table.table.weight: table for table in self._tables}
        return {
            name: tables[weight].caught_up() if weight in tables else weight.detach()
            for name, weight in self.model.named_parameters()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that a later step depends on, by a name with dots."""
        tensors = {f"model.{name}": tensor for name, tensor in weights(self.model).items()}
        for i, optimizer in enumerate(self.optimizers):
            for parameter, values in optimizer.state_dict()["state"].items():
                for name, value in values.items():
                    tensors[f"optimizer.{i}.{parameter}.{name}"] = torch.as_tensor(value)
        return {**tensors, "step": torch.tensor(self.step)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `tensors` gave. Raises ValueError or KeyError if it does not fit."""
        own = {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}
        load_weights(self._model, {name.removeprefix("model."): own[name] for name in own})
        for i, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimizer.{i}."):
                    _, _, parameter, name = key.split(".")
                    state.setdefault(int(parameter), {})[name] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self.step = int(tensors["step"])


def _seed_dropout(seed: int, device: torch.device) -> None:
    """torch.manual_seed for one device: for all, it formats three stack traces at every step."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
