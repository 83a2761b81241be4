"""What every architecture must do, as checks that can be asked of any.

    from lm.training import contract
    for check in contract.CHECKS:
        check(architecture, config, vocab_size)

Each raises `ContractError` with one sentence. A small config is enough, and makes them fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from lm.architectures import AnyArchitecture, ArchitectureConfig
from lm.architectures.shared.model import LanguageModel, load_weights, weights
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.runs.scale import step_scale
from lm.training.batches import Batch, loss_of
from lm.training.meter import measured_step_flops
from lm.updates.config import TrainingConfig

Check = Callable[[AnyArchitecture, Any, int], None]
CHECKS: list[Check] = []
ROWS = 3  # B in the shapes below


class ContractError(AssertionError):
    """What an architecture does not do."""


def _checked(check: Check) -> Check:
    CHECKS.append(check)
    return check


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ContractError(what)


def _tokens(config: ArchitectureConfig, vocab_size: int, seed: int = 0) -> Tensor:
    """(B, T) random ids. T is as long as a row may be and longer than one window."""
    length = config.longest_row or config.context_length + 6
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab_size, (ROWS, length), generator=generator)


def awake(
    architecture: AnyArchitecture, config: ArchitectureConfig, vocab_size: int, seed: int = 0
) -> LanguageModel:
    """A model none of whose weights is at zero, so that every one of them matters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = architecture.build(config, vocab_size)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


@_checked
def says_what_it_is(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """It has a name, a title, two sentences and a colour; its config carries its name."""
    for part in ("name", "title", "sentence", "plainly"):
        _demand(bool(getattr(architecture, part, "")), f"An architecture needs a {part}.")
    _demand(architecture.look.color.startswith("#"), "look.color must be like '#0072B2'.")
    _demand(
        isinstance(config, architecture.config) and config.architecture == architecture.name,
        f"The config's architecture must be {architecture.name!r}.",
    )
    _demand("context_length" in architecture.settings, "context_length needs words of its own.")
    again = architecture.config(**config.model_dump(mode="json"))
    _demand(again == config, "A config must come back from its JSON as it was.")


@_checked
def maps_ids_to_logits(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """(B, T) ids become (B, T, V) finite float32 logits."""
    rows = _tokens(config, vocab_size)
    logits = awake(architecture, config, vocab_size)(rows)
    _demand(
        logits.shape == (*rows.shape, vocab_size),
        f"Logits must be {(*rows.shape, vocab_size)}. Received: {tuple(logits.shape)}.",
    )
    _demand(logits.dtype == torch.float32, f"Logits must be float32. Received: {logits.dtype}.")
    _demand(bool(logits.isfinite().all()), "Logits must be finite.")


@_checked
def begins_near_uniform(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """Fresh weights give every token about the same probability: the first loss is near ln V."""
    rows = _tokens(config, vocab_size)
    torch.manual_seed(0)
    logits = architecture.build(config, vocab_size).eval()(rows[:, :-1])
    loss = float(F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).detach())
    _demand(
        abs(loss - math.log(vocab_size)) < 0.8,
        f"The first loss must be near ln V = {math.log(vocab_size):.2f}. Received: {loss:.2f}.",
    )


@_checked
def the_future_changes_nothing(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """A token changes the logits from its own position on, and none before."""
    model, rows = awake(architecture, config, vocab_size), _tokens(config, vocab_size)
    before = model(rows)
    for t in range(1, rows.shape[1]):
        changed = rows.clone()
        changed[:, t:] = (changed[:, t:] + 1) % vocab_size
        after = model(changed)
        _demand(
            torch.allclose(before[:, :t], after[:, :t], atol=1e-5),
            f"Tokens from position {t} on changed a prediction before it.",
        )
        _demand(
            not torch.allclose(before[:, t], after[:, t], atol=1e-6),
            f"The token at position {t} did not change the prediction after it.",
        )


@_checked
def rows_keep_to_themselves(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """A row's logits depend neither on its neighbours nor on calls before."""
    model, rows = awake(architecture, config, vocab_size), _tokens(config, vocab_size)
    together = model(rows)
    alone = torch.cat([model(row[None]) for row in rows])
    _demand(torch.allclose(together, alone, atol=1e-4), "A row's logits depend on other rows.")
    _demand(torch.equal(model(rows), together), "Logits depend on the calls before.")


@_checked
def the_lookback_completes_a_row(
    architecture: AnyArchitecture, config: Any, vocab_size: int
) -> None:
    """Given the `lookback` tokens before it, a row has the logits it has in the whole text."""
    model, text = awake(architecture, config, vocab_size), _tokens(config, vocab_size)
    n = config.lookback
    if not n:
        return
    whole, rest = model(text)[:, n:], model(text[:, n:], text[:, :n])  # (B, T - n, V) each
    _demand(torch.allclose(whole, rest, atol=1e-5), "The tokens before a row do not complete it.")


@_checked
def first_weights_follow_the_seed(
    architecture: AnyArchitecture, config: Any, vocab_size: int
) -> None:
    """The same seed gives the same weights, another gives others."""
    one, same, other = (
        weights(awake(architecture, config, vocab_size, seed)) for seed in (0, 0, 1)
    )
    _demand(all(torch.equal(one[name], same[name]) for name in one), "A seed gives other weights.")
    _demand(any(not torch.equal(one[name], other[name]) for name in one), "Seeds change nothing.")


@_checked
def weights_restore_it(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """A model that is given another's weights has the same logits."""
    rows = _tokens(config, vocab_size)
    one, other = (awake(architecture, config, vocab_size, seed) for seed in (0, 1))
    load_weights(other, {name: tensor.clone() for name, tensor in weights(one).items()})
    _demand(torch.equal(one(rows), other(rows)), "Its weights are not all there is to a model.")


@_checked
def its_modules_are_its_parameters(
    architecture: AnyArchitecture, config: Any, vocab_size: int
) -> None:
    """`modules` counts the parameters that the model has, under the same names."""
    model = awake(architecture, config, vocab_size)
    listed = {part.name: part.n_params for part in architecture.modules(config, vocab_size)}
    held: dict[str, int] = dict.fromkeys(listed, 0)
    for name, tensor in weights(model).items():
        held[name.rpartition(".")[0]] = held.get(name.rpartition(".")[0], 0) + tensor.numel()
    _demand(
        sum(listed.values()) == sum(held.values()),
        f"modules() counts {sum(listed.values()):,} parameters; the model has "
        f"{sum(held.values()):,}.",
    )
    _demand(set(held) == set(listed), f"modules() does not name {set(held) ^ set(listed)}.")


@_checked
def its_flops_are_counted(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """The formula gives the FLOPs that PyTorch's counter measures."""
    training, length = TrainingConfig(steps=1), config.longest_row or 7
    shape = {"batch_size": 2, "sequence_length": length}
    formula = step_flops(config, vocab_size, **shape)
    measured = measured_step_flops(config, vocab_size, training, **shape)
    _demand(formula == measured, f"A step is {measured} measured, and {formula} by formula.")


@_checked
def its_other_work_is_priced(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """`Module.work` leaves out nothing large.

    By it, a step takes at least one operation for every second number that PyTorch's operators
    compute, matrix products left out, and that their gradients compute.
    """
    run = RunConfig(data=DataConfig(), model=config, training=TrainingConfig(steps=1))
    n_rows, length = 2, config.longest_row or 7
    formula = step_scale(run, vocab_size, n_rows, length).operations
    flops = step_flops(config, vocab_size, batch_size=n_rows, sequence_length=length)
    model = awake(architecture, config, vocab_size).train()
    batch = Batch.empty(model, n_rows, length)
    with torch.random.fork_rng(devices=[]), sdpa_kernel(SDPBackend.MATH):
        with _Computed() as forward:
            loss = loss_of(model, batch, "all_positions")
        with _Computed() as backward:
            loss.backward()
    for part, computed in (("forward", forward), ("backward", backward)):
        priced = getattr(formula, part) - getattr(flops, part)
        _demand(
            2 * priced >= computed.numbers,
            f"Beside matrix products, {part}, a step computes {computed.numbers:,} numbers; "
            f"the work of its modules comes to {priced:,} operations.",
        )


class _Computed(TorchDispatchMode):
    """Counts the numbers that operators compute; products and what only moves numbers are free."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        computes = torch.Tag.pointwise in func.tags or "softmax" in str(func)
        if computes and isinstance(result, Tensor) and result.is_floating_point():
            self.numbers += result.numel()
        return result


@_checked
def learns_a_row_by_heart(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """Two hundred steps on one short row bring its loss close to nothing."""
    torch.manual_seed(0)
    model = architecture.build(config, vocab_size)
    row = _tokens(config, vocab_size)[:1, : min(6, config.longest_row or 6)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0)
    loss = torch.tensor(math.inf)
    for _ in range(200):
        loss = model.head.loss(model.features(row[:, :-1]).flatten(0, 1), row[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _demand(
        loss.item() < 0.5, f"It did not learn one row by heart: its loss ends at {loss.item():.2f}."
    )


@_checked
def its_head_scores_as_it_learns(
    architecture: AnyArchitecture, config: Any, vocab_size: int
) -> None:
    """The head's `loss` and `nats` are the cross-entropy of its logits."""
    model, rows = awake(architecture, config, vocab_size), _tokens(config, vocab_size)
    features, targets = model.features(rows), rows.roll(1, dims=1)
    expected = F.cross_entropy(
        model.head(features).flatten(0, 1), targets.flatten(), reduction="none"
    )
    with torch.no_grad():
        nats = model.head.nats(features, targets)
    loss = model.head.loss(features.flatten(0, 1), targets.flatten())
    _demand(torch.allclose(nats.flatten(), expected, atol=1e-4), "nats are not cross-entropies.")
    _demand(torch.allclose(loss, expected.mean(), atol=1e-4), "The loss is not their mean.")


@_checked
def writes_what_it_predicts(architecture: AnyArchitecture, config: Any, vocab_size: int) -> None:
    """The decoder has the model's logits after each token of a text that grows."""
    model = awake(architecture, config, vocab_size)
    arrays = {name: tensor.numpy() for name, tensor in weights(model).items()}
    decoder = architecture.decoder(config, vocab_size, arrays).fresh()
    texts = torch.randint(vocab_size, (2, 40), generator=torch.Generator().manual_seed(1))
    for n in (1, 2, 5, 6, 19, 20, 33, 40):
        with torch.no_grad():
            expected = model(texts[:, decoder.first_read(n) : n])[:, -1].numpy()
        written = decoder.logits(texts[:, :n].numpy())
        _demand(
            bool(np.allclose(written, expected, atol=1e-3)),
            f"After {n} tokens the decoder's logits are not the model's.",
        )
