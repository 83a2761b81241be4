"""What a run's JSON says of it: the facts that followed from its settings, and where it is.

Every number is checked here, where it is read, so that whoever computes with it need not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, get_args

from lm.base.checked import MOST_COUNT, JsonError, JsonObject
from lm.base.flops import Cost
from lm.base.records import SPELLINGS, Evaluation

Engine = Literal["compiled", "eager"]
StoredState = Literal["created", "running", "paused", "stopped", "complete", "failed"]
State = StoredState | Literal["interrupted"]

ENGINES: tuple[Engine, ...] = get_args(Engine)
STORED_STATES: tuple[StoredState, ...] = get_args(StoredState)
MOST_FLOPS = 10**30  # of a plan, which may be one that nobody can carry out


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What followed from a run's settings, its text and this machine, when it was made."""

    vocab_size: int
    n_params: int  # shared parameters once
    n_steps: int  # optimizer updates
    flops_per_step: Cost
    flops: Cost  # of the whole run
    tokens: int  # predictions that will enter a loss
    n_train_tokens: int
    sha256: str  # of the text
    threads: int  # on every resume too: another number gives other bits
    torch: str  # versions
    python: str
    engine: Engine = "eager"  # on every resume too
    operations: Cost | None = None  # of the whole run, as `flops`; None in runs of before
    bytes: Cost | None = None
    original: Mapping[str, str] | None = None  # of a text that was not UTF-8: see `Original`

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("flops_per_step", "flops", "operations", "bytes")
        costs: dict[str, Cost | None] = {name: getattr(self, name) for name in names}
        values = {**asdict(self), **{name: cost.to_dict() for name, cost in costs.items() if cost}}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: object) -> Facts:
        """Invert `to_dict`. Raises `JsonError`, naming what is missing or cannot be."""
        given = JsonObject(values, "facts")
        return cls(
            vocab_size=given.count("vocab_size", least=1),
            n_params=given.count("n_params", least=1),
            n_steps=given.count("n_steps", least=1),
            flops_per_step=_cost(given.part("flops_per_step"), least=1, most=MOST_FLOPS),
            flops=_cost(given.part("flops"), least=1, most=MOST_FLOPS),
            tokens=given.count("tokens", least=1),
            n_train_tokens=given.count("n_train_tokens", least=1),
            sha256=given.sha256("sha256"),
            threads=given.count("threads", least=1),
            torch=given.line("torch"),
            python=given.line("python"),
            engine=given.optional(partial(given.one_of, choices=ENGINES), "engine") or "eager",
            operations=_optional_cost(given, "operations"),
            bytes=_optional_cost(given, "bytes"),
            original=_original(given),
        )


def _original(facts: JsonObject) -> dict[str, str] | None:
    if facts.values.get("original") is None:
        return None
    given = facts.part("original")
    return {"encoding": given.line("encoding"), "sha256": given.line("sha256")}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a run is: `status.json`."""

    state: State
    step: int = 0
    n_steps: int = 0
    tokens: int = 0
    flops: Cost = field(default_factory=Cost)
    seconds: float = 0.0  # of training alone
    train_loss: float | None = None  # mean over the last tenth of the rows of metrics.jsonl
    sampled_val_loss: float | None = None
    valid: Evaluation | None = None
    test: Evaluation | None = None
    checkpoint_step: int | None = None
    reason: str | None = None
    device: str | None = None
    compiling: bool = False  # the program that takes the next steps
    not_compiled: str | None = None  # why it is trained eagerly though it was to be compiled
    pid: int | None = None
    updated_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "flops": self.flops.to_dict()}

    @classmethod
    def from_dict(cls, values: object) -> Status:
        """Invert `to_dict`. Keys that are not in it are left out, and what is missing is as at
        the start of a run. Raises `JsonError`, naming what cannot be.
        """
        given = JsonObject(values)
        valid, test = given.optional(given.part, "valid"), given.optional(given.part, "test")
        flops = given.optional(given.part, "flops")
        return cls(
            state=given.one_of("state", STORED_STATES),
            step=given.optional(given.count, "step") or 0,
            n_steps=given.optional(given.count, "n_steps") or 0,
            tokens=given.optional(given.count, "tokens") or 0,
            flops=_cost(flops) if flops else Cost(),
            seconds=given.optional(given.number, "seconds") or 0.0,
            train_loss=given.optional(given.number, "train_loss"),
            sampled_val_loss=given.optional(given.number, "sampled_val_loss"),
            valid=_evaluation(valid) if valid else None,
            test=_evaluation(test) if test else None,
            checkpoint_step=given.optional(given.count, "checkpoint_step"),
            reason=given.optional(given.text, "reason"),
            device=given.optional(given.line, "device"),
            compiling=given.values.get("compiling") is True,
            not_compiled=given.optional(given.text, "not_compiled"),
            pid=given.optional(given.count, "pid"),
            updated_at=given.optional(given.text, "updated_at") or "",
        )


def _optional_cost(given: JsonObject, name: str) -> Cost | None:
    part = given.optional(given.part, name)
    return _cost(part, most=MOST_FLOPS) if part else None


def _cost(given: JsonObject, *, least: int = 0, most: int = MOST_COUNT) -> Cost:
    count = Cost(
        forward=given.count("forward", most=most),
        backward=given.count("backward", most=most),
        optimizer=given.count("optimizer", most=most),
    )
    if count.total < least:
        raise JsonError(f"{given.where} must be {least} or more in all. Received: {count.total}.")
    return count


def _evaluation(given: JsonObject) -> Evaluation:
    spelling_nats = given.optional(given.number, "spelling_nats") or 0.0
    # older runs do not say it: bytes spelled the words that they did not know
    spelling = given.optional(partial(given.one_of, choices=SPELLINGS), "spelling")
    return Evaluation(
        total_nats=given.number("total_nats"),
        n_tokens=given.count("n_tokens", least=1),
        n_chars=given.count("n_chars", least=1),
        spelling_nats=spelling_nats,
        spelling=spelling or ("bytes" if spelling_nats else "characters"),
        spacing_nats=given.optional(given.number, "spacing_nats"),
        n_words=given.optional(given.count, "n_words"),
        n_unknown=given.optional(given.count, "n_unknown"),
    )
