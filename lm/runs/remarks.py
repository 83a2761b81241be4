"""What a person should know of a run besides its figures, in sentences: before it and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lm.architectures import n_table_params
from lm.base.records import about_unknown_words
from lm.base.settings import ConfigError
from lm.base.wording import decimal
from lm.runs.config import RunConfig
from lm.runs.run import Run
from lm.updates import UPDATES

# An earlier step was better if its sampled loss was lower by this many standard deviations of the
# scatter between neighbouring samples, and by more nats than anybody would care about.
DEVIATIONS, LEAST_GAIN = 4, 0.005
LARGE_LOSS = 1_000  # from which on nobody wants decimals
LEAST_SAMPLES = 5  # from which that scatter is estimated


def remarks(run: Run) -> list[str]:
    """Sentences about a run that is complete; none for others."""
    valid = run.status.valid
    if run.state != "complete" or valid is None:
        return []
    if run.worse_than_guessing:
        return [
            f"It is worse than guessing: its validation loss is {_loss_text(valid.loss)} nats "
            f"per token, and {math.log(run.vocab_size):.3f} is what giving each of the "
            f"{run.vocab_size:,} tokens the same probability costs. "
            "Lower the learning rate, or clip gradients."
        ]
    shares = {"valid": valid.unknown_share}
    if run.status.test is not None:
        shares["test"] = run.status.test.unknown_share
    sentences = [sentence] if (sentence := about_unknown_words(shares)) else []
    if (better := earlier_step(run)) is not None:
        sentences.append(
            f"Its weights are those of its last step, {run.status.step:,}; at step "
            f"{better.step:,} the loss on a sample of validation was {better.gain:.3f} lower. "
            f"Train it for fewer steps, about {better.step:,}, or use a smaller model, more "
            "dropout or more text."
        )
    train_loss = run.status.train_loss
    if (
        train_loss is not None
        and valid.loss < train_loss
        and any(run.config.model.dropouts.values())
    ):
        sentences.append(
            f"That its validation loss lies below its training loss, {train_loss:.3f}, is no "
            "mistake: dropout is on in training and off in scoring."
        )
    return sentences


@dataclass(frozen=True, kw_only=True)
class EarlierStep:
    """A step whose weights were better than the last's."""

    step: int
    gain: float  # by which the sampled validation loss was lower, nats per token


def earlier_step(run: Run) -> EarlierStep | None:
    """The step with the lowest sampled validation loss, if it was lower by more than noise."""
    rows = [row for row in run.rows() if row["sampled_val_loss"] is not None]
    losses = [row["sampled_val_loss"] for row in rows]
    if len(losses) < LEAST_SAMPLES:
        return None
    best = min(range(len(losses)), key=losses.__getitem__)
    gain = losses[-1] - losses[best]
    if gain <= max(LEAST_GAIN, DEVIATIONS * _scatter(losses[len(losses) // 2 :])):
        return None
    return EarlierStep(step=rows[best]["step"], gain=gain)


def slow_tables(config: RunConfig, vocab_size: int) -> str | None:
    """Why each step of a run will update every row of its tables, in sentences.

    None where it updates the rows that it reads alone, where there are no tables, and where that
    was chosen and need not be.
    """
    training = config.training
    follows = "table_update" in UPDATES[training.optimizer].settings
    if training.table_update != "every_row" or not follows:
        return None
    if not n_table_params(config.model, vocab_size):
        return None
    try:
        training.replace(table_update="touched_rows")
    except ConfigError as error:
        return (
            "Every step will update all rows of the tables of n-grams, which can take a hundred "
            f"times as long as updating those that it reads. The reason: {error}"
        )
    return None


def _loss_text(loss: float) -> str:
    return decimal(loss, 3 if loss < LARGE_LOSS else 0)


def _scatter(losses: Sequence[float]) -> float:
    """The standard deviation of losses around their trend.

    Second differences leave out what is a straight line. Of independent deviations σ theirs is
    √6 σ, and the median of their size is 0.6745 of that.
    """
    bends = [abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    return median(bends) / 0.6745 / math.sqrt(6) if bends else math.inf
