"""How commands print: tables, JSON and numbers on stdout, notes and progress on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from lm.base.records import Evaluation, StepRecord, about_unknown_words
from lm.base.wording import decimal

if TYPE_CHECKING:
    from lm.jobs.sweeps import SweepProgress


def print_json(value: Any) -> None:
    """One line of JSON, with null for a number that is infinite or not a number."""
    print(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in cast(Mapping[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast(Sequence[Any], value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_values(values: Mapping[str, Any], units: Mapping[str, str] | None = None) -> None:
    """A line for each value, with its unit if it has one."""
    width = max(map(len, values))
    for name, value in values.items():
        unit = (units or {}).get(name, "") if value is not None else ""
        print(f"{name:{width}}  {plain(value)} {unit}".rstrip())


def bits_first(values: Mapping[str, Any], score: Evaluation | None) -> dict[str, Any]:
    """Values by name, with bits per character before losses per token that do not compare."""
    if score is None or score.compares_by_loss:
        return dict(values)
    names = list(values)
    place = next(i for i, name in enumerate(names) if name.endswith("loss"))
    bits = [name for name in names if name.endswith("bits_per_char")]
    rest = [name for name in names[place:] if name not in bits]
    return {name: values[name] for name in dict.fromkeys([*names[:place], *bits, *rest])}


def print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns aligned below their heading. Numbers stand to the right."""
    rows = [heading, *rows]
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [all(cell == "-" or cell[:1].isdigit() for cell in column[1:]) for column in columns]
    for row in rows:
        cells = [
            f"{cell:>{width}}" if to_right else f"{cell:<{width}}"
            for cell, width, to_right in zip(row, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())


def note(sentence: str) -> None:
    """Print a sentence on stderr, beside the results; whoever read it may have gone."""
    with contextlib.suppress(BrokenPipeError):
        print(sentence, file=sys.stderr, flush=True)


def note_unknown_words(scores: Mapping[str, Evaluation]) -> None:
    """Print which share of the words of some parts is <unk>, where any is."""
    if sentence := about_unknown_words(
        {part: score.unknown_share for part, score in scores.items()}
    ):
        note(sentence)


# --- numbers ----------------------------------------------------------------------------------


def plain(value: Any) -> str:
    """A value in a cell of a table: 1,000 or 0.1235, text as it is, - for None."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return decimal(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def si(value: float) -> str:
    """A number with three digits and an SI prefix, for a unit to follow: "12.3 k", "4.56 G"."""
    power = min(int(math.log10(value)) // 3, 6) if value >= 1 else 0
    return f"{value / 1000**power:.3g} {['', 'k', 'M', 'G', 'T', 'P', 'E'][power]}"


def clock(seconds: float) -> str:
    """A duration as 1:02:03, or as 2:03 below an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


# --- progress ---------------------------------------------------------------------------------


class Bar:
    """Progress on stderr: a bar on a terminal, elsewhere a line for each tenth of the way."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.printed_at, self.tenth, self.width = 0.0, 0, 0

    def show(self, share: float, describe: Callable[[], str]) -> None:
        """Draw the bar at `share`, 0 to 1, with a description, unless it was drawn just now."""
        tenth = int(10 * share)
        now = time.monotonic()
        if share < 1 and (now - self.printed_at < 0.1 if self.live else tenth == self.tenth):
            return
        self.printed_at, self.tenth = now, tenth
        if not self.live:
            note(f"{share:4.0%}  {describe()}")
            return
        bar = "█" * (2 * tenth) + "░" * (20 - 2 * tenth)
        text = f"{bar} {share:4.0%}  {describe()}"
        print(f"\r{text:<{self.width}}", end="", file=sys.stderr, flush=True)
        self.width = len(text)

    def close(self) -> None:
        """End the bar's line."""
        if self.width:
            print(file=sys.stderr)


def show_training(bar: Bar, record: StepRecord, n_steps: int) -> None:
    """Show the progress of a run."""
    seconds = max(record.seconds, 1e-9)

    def describe() -> str:
        left = seconds * (n_steps - record.step) / record.step
        done = record.step == n_steps
        return (
            f"step {record.step:,}/{n_steps:,}  loss {decimal(record.train_loss)}  "
            f"{si(record.tokens / seconds)}tokens/s  {si(record.flops / seconds)}FLOP/s  "
            f"{'scoring the splits' if done else 'ETA ' + clock(left)}"
        )

    bar.show(record.step / n_steps, describe)


def show_sweep(bar: Bar, progress: SweepProgress) -> None:
    """Show the progress of a sweep."""

    def describe() -> str:
        failed = f", {progress.n_failed:,} failed" if progress.n_failed else ""
        return (
            f"{progress.n_complete:,}/{progress.n_runs:,} runs complete{failed}  "
            f"{len(progress.training):,} training  ETA {clock(progress.seconds_left)}"
        )

    bar.show(progress.share, describe)
