"""What a sweep found, in sentences, and names for its runs that people can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.base.records import Evaluation
from lm.base.wording import decimal, listed
from lm.datasets import DATASETS
from lm.datasets.tokenizers import TOKENIZERS
from lm.jobs.sweeps.definition import Sweep, in_words, value_of
from lm.runs import Run
from lm.runs.config import RunConfig
from lm.runs.intervals import LEAST_SEEDS, Interval, difference
from lm.runs.recipes import HORIZONS
from lm.runs.store import LONGEST_NAME

TITLED: Mapping[str, Mapping[str, Any]] = {
    "architecture": ARCHITECTURES,
    "dataset": DATASETS,
    "tokenizer": TOKENIZERS,
}
MOST_NAMED = 4  # settings that are not shown to be worse than the best
LARGE = 1e6  # from which on a number is written as FLOPs are

Score = Callable[[Evaluation], float]


# --- settings and runs by name ------------------------------------------------------------------


def setting_text(name: str, value: Any) -> str:
    """A setting of a sweep with its value: "d_model 64", "budget 1e10", or a title: "MLP"."""
    if name in TITLED and value in TITLED[name]:
        return TITLED[name][value].title
    if name == "text" and value is not None:
        return Path(value).name
    if isinstance(value, float) and value >= LARGE:
        return f"{_short_name(name)} {flops_text(value)}"
    return f"{_short_name(name)} {in_words(value)}"


def _short_name(name: str) -> str:
    """A setting's name without its section: d_model of model.d_model."""
    return name.rpartition(".")[2]


def settings_text(values: Mapping[str, Any]) -> str:
    """Settings of a sweep with their values: "MLP, d_model 64"."""
    return ", ".join(setting_text(name, value) for name, value in values.items())


def run_names(sweep: Sweep, configs: Iterable[RunConfig]) -> dict[RunConfig, str]:
    """What the runs of a sweep are called: "Widths: MLP, d_model 64, seed 1"."""
    names = {}
    for config in configs:
        settings = settings_text({name: value_of(config, name) for name in sweep.differing})
        room = LONGEST_NAME - len(settings) - 2
        title = "".join(filter(str.isprintable, sweep.name))[: max(0, room)].strip()
        names[config] = ": ".join(filter(None, (title, settings[:LONGEST_NAME])))
    return names


# --- the sentences ------------------------------------------------------------------------------


def conclusion(sweep: Sweep, runs: Iterable[Run]) -> list[str]:
    """Which settings of a sweep were best on validation, and which are not shown to be worse.

    A sentence for each text and, where other settings vary too, for each budget. `runs` are those
    of the sweep; only complete ones count. Losses are in nats per token, or in bits per character
    where a text was read by several tokenizers.
    """
    scored = [run for run in runs if run.state == "complete" and run.status.valid]
    names = [name for name in sweep.differing if name != "seed"]
    sentences: list[str] = []
    for of_text in _grouped(scored, lambda run: run.text_key).values():
        varied = _varied(of_text, names)
        horizons = [name for name in varied if name in HORIZONS]
        by_horizon = horizons if len(varied) > len(horizons) else []
        told_before = [name for name in _varied(scored, names) if name not in varied] + by_horizon
        tokenizers = {run.comparable_key for run in of_text}
        for values, alike in _by_values(of_text, told_before).items():
            sentence = _sentence(alike, _varied(alike, varied), in_bits=len(tokenizers) > 1)
            before = settings_text(dict(zip(told_before, values, strict=True)))
            sentences.append(f"{before}: {sentence}" if before else sentence)
    return sentences


def _sentence(runs: Sequence[Run], names: Sequence[str], *, in_bits: bool) -> str:
    """What runs of one text came to, which differ by the settings `names` and by seeds."""
    score: Score = (lambda s: s.bits_per_char) if in_bits else (lambda s: s.loss)
    unit = "bits per character" if in_bits else "nats per token"
    points = _by_values(runs, names)
    on_valid = {point: _interval(members, "valid", score) for point, members in points.items()}
    ranked = sorted(on_valid, key=lambda point: on_valid[point].mean)
    first = ranked[0]
    best = on_valid[first]
    reached = f"{_amount(best)} {unit} on validation"
    if all(run.status.test for run in points[first]):
        reached += f" and {_amount(_interval(points[first], 'test', score))} on test"
    if best.n > 1:
        reached += f" (mean and 95 % interval over {best.n:,} seeds)"
    if not names:
        return f"{reached}."
    label = settings_text(dict(zip(names, first, strict=True)))
    if len(ranked) == 1:
        return f"{label}: {reached}."
    if any(on_valid[point].n < LEAST_SEEDS for point in ranked):
        return (
            f"{label} has the lowest loss: {reached}. The next, {_short(names, ranked[1])}, has "
            f"{_amount(on_valid[ranked[1]])}; with fewer than {LEAST_SEEDS} seeds no difference "
            "is shown."
        )
    text = f"{label} is best: {reached}"
    others = [point for point in ranked[1:] if not difference(best, on_valid[point]).gain]
    if not others:
        return f"{text}; all others are shown to be worse."
    verb = "is" if len(others) == 1 else "are"
    labels = listed((_short(names, point) for point in others), most=MOST_NAMED)
    return f"{text}; {labels} {verb} not shown to be worse."


def _amount(interval: Interval) -> str:
    """A mean with its interval; of one seed the number alone."""
    return str(interval) if interval.n > 1 else decimal(interval.mean, 3)


def _short(names: Sequence[str], point: Sequence[Any]) -> str:
    """A point's settings; where there is one alone, its value without its name."""
    text = settings_text(dict(zip(names, point, strict=True)))
    return text.removeprefix(f"{_short_name(names[0])} ") if len(names) == 1 else text


def _interval(runs: Iterable[Run], part: str, score: Score) -> Interval:
    return Interval.of([score(getattr(run.status, part)) for run in runs])


def _values(run: Run, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(value_of(run.config, name) for name in names)


def _by_values(runs: Iterable[Run], names: Sequence[str]) -> dict[tuple[Any, ...], list[Run]]:
    """The runs by their values of some settings."""
    return _grouped(runs, lambda run: _values(run, names))


def _varied(runs: Sequence[Run], names: Iterable[str]) -> list[str]:
    """Of some settings those in which the runs differ."""
    return [name for name in names if len({_values(run, [name]) for run in runs}) > 1]


def _grouped(runs: Iterable[Run], key: Callable[[Run], Any]) -> dict[Any, list[Run]]:
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups
