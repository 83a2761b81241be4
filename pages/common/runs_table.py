"""Runs side by side: which may share an axis, what tells them apart, and a table of results."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lm import charts
from lm.base.flops import flops_text
from lm.base.glossary import meaning
from lm.base.records import Evaluation
from lm.base.wording import percent
from lm.datasets import DATASETS
from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import Run
from lm.runs.config import RunConfig
from lm.runs.table import exported_row
from pages.common import caches, corpora, drafts, theme, wording
from pages.common.phases import BADGES, BUSY, phase

SEEDS = ("seed", "data_seed")
LETTER, SMALL = 7, 75  # pixels of a letter in the table, and of a small column

# --- which runs may share an axis -------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Runs whose losses compare: of one text and, unless in bits, of one tokenizer."""

    key: str
    title: str
    runs: tuple[Run, ...]  # oldest first, so that a new run changes no place
    ladder: tuple[Run, ...] = ()  # those of ladders, which are drawn as lines and are no rows
    in_bits: bool = False  # per character, which compare across tokenizers of one text

    @property
    def unit(self) -> str:
        return "bits per character" if self.in_bits else "nats per token"

    def score(self, result: Evaluation | None) -> float | None:
        """The figure that is compared; lower is better."""
        if result is None:
            return None
        return result.bits_per_char if self.in_bits else result.loss

    def in_unit(self, run: Run, loss: Any) -> Any:
        """A loss of the run in nats per token, or a column of them, as `unit` has it.

        None for None, and in bits before the run's validation split is scored, which tells how
        many characters its tokens have.
        """
        valid = run.status.valid
        if loss is None or not self.in_bits:
            return loss
        if valid is None:
            return None
        return valid.in_bits(loss)


def groups(runs: Iterable[Run], ladder: Iterable[Run] = ()) -> dict[str, Group]:
    """The groups of some runs by their keys, largest first, and then those in bits.

    The runs of ladders go along: a text that has only these has a group too.
    """
    runs, ladder = _oldest_first(runs), _oldest_first(ladder)
    every = _oldest_first([*runs, *ladder])
    texts = list(dict.fromkeys(run.text_key for run in every))
    found: list[Group] = []
    for text in texts:
        dataset, split, sha256 = text
        of_text = [run for run in every if run.text_key == text]
        title = corpora.title(of_text[0].config.data)
        if split != DATASETS[dataset].splits[0]:
            title += f", {split} split"
        if DATASETS[dataset].varies and sum(other[0] == dataset for other in texts) > 1:
            title += f" ({sha256[:6]})"
        key = f"{dataset}-{split}-{sha256[:8]}"
        comparable_keys = list(dict.fromkeys(run.comparable_key for run in of_text))
        for comparable in comparable_keys:
            *_, name, vocab_size = comparable
            tokens = f"{name} {vocab_size}" if TOKENIZERS[name].sized else TOKENIZERS[name].title
            found.append(
                Group(
                    key=f"{key}-{name}-{vocab_size}",
                    title=f"{title}, {tokens}",
                    runs=tuple(run for run in runs if run.comparable_key == comparable),
                    ladder=tuple(run for run in ladder if run.comparable_key == comparable),
                )
            )
        own = tuple(run for run in runs if run.text_key == text)
        if len(comparable_keys) > 1 and own:
            label = f"{title}, all tokenizers in bits per character"
            found.append(Group(key=f"{key}-bits", title=label, runs=own, in_bits=True))
    found.sort(key=lambda group: (group.in_bits, -len(group.runs), -len(group.ladder)))
    return {group.key: group for group in found}


def _oldest_first(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: (run.created_at, run.run_id))


# --- what tells runs apart ----------------------------------------------------------------------


def settings_of(run: Run) -> Mapping[str, Any]:
    """The settings of a run that may change its result, under the form's names."""
    return _settings(run.config)


@functools.lru_cache(maxsize=2_000)  # a page asks several times for hundreds of runs
def _settings(config: RunConfig) -> Mapping[str, Any]:
    by_name = drafts.settings_by_name(config.model.architecture)
    return {
        name: value
        for name, value in drafts.flat(config).items()
        if name not in by_name or by_name[name].tells != "never"
    }


def varying(runs: Sequence[Run]) -> list[str]:
    """The names of the settings in which `runs` differ, first those that say most about a run."""
    settings = [settings_of(run) for run in runs]
    every = drafts.telling_order(run.config for run in runs)
    return [name for name in every if len({str(s[name]) for s in settings if name in s}) > 1]


def varied(runs: Sequence[Run]) -> list[str]:
    """The same without seeds: the settings that somebody varied to see what they are worth."""
    return [name for name in varying(runs) if name not in SEEDS]


def without_seed(run: Run) -> str:
    """A text that is equal for runs that differ by their seed alone."""
    return str({name: value for name, value in settings_of(run).items() if name not in SEEDS})


def labels(runs: Sequence[Run], without: Collection[str] = ()) -> dict[str, str]:
    """Run id -> the fewest settings that tell the run from the others, except those `without`.

    Runs with equal settings are told apart by their names, and runs of one name by their ids.
    """
    if len(runs) == 1:
        return {runs[0].run_id: wording.model(runs[0])}
    texts = {run_id: ", ".join(parts.values()) for run_id, parts in telling(runs, without).items()}
    for attribute in ("name", "run_id"):
        count = Counter(texts.values())
        for run in runs:
            text = texts[run.run_id]
            if not text or count[text] > 1:
                texts[run.run_id] = ", ".join(filter(None, (text, getattr(run, attribute))))
    return texts


def telling(runs: Sequence[Run], without: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """Run id -> setting -> the part of the run's label that says it.

    Settings are added one after another, in the order of `varying`, and each only to runs whose
    labels are still equal. So a label leaves out what a recipe derives from the settings in it,
    such as the batch size.
    """
    names = [name for name in varying(runs) if name not in without]
    parts: dict[str, dict[str, str]] = {run.run_id: {} for run in runs}
    if len({wording.in_tables(run) > 0 for run in runs}) > 1:  # some have tables of n-grams
        parts = {run.run_id: {"architecture": wording.model(run)} for run in runs}
        names = [name for name in names if name != "architecture"]
    for name in names:
        equal_so_far: dict[tuple[str, ...], list[Run]] = {}
        for run in runs:
            equal_so_far.setdefault(tuple(parts[run.run_id].values()), []).append(run)
        for members in equal_so_far.values():
            if len({str(settings_of(run).get(name)) for run in members}) > 1:
                for run in members:
                    if text := said(run, name):
                        parts[run.run_id][name] = text
    return parts


def said(run: Run, name: str) -> str:
    """A setting of the run with its value, as labels say it; "" if the run has no such setting."""
    settings = settings_of(run)
    if name not in settings:
        return ""
    value = settings[name]
    if name == "architecture":
        return wording.architecture(value)
    if name == "budget":
        return f"{flops_text(value)} FLOPs" if value else "no budget"
    return f"{name} {drafts.value_text(value, name)}"


# --- the table ----------------------------------------------------------------------------------


def metrics(run: Run) -> pd.DataFrame:
    """The run's recorded steps, read again only after more were written."""
    return _metrics(str(run.path), _n_bytes(run))


@st.cache_data(max_entries=200, show_spinner=False)
def _metrics(path: str, n_bytes: int) -> pd.DataFrame:
    return caches.store().get(path).metrics()


@dataclass(frozen=True)
class Glimpse:
    """What a row of the table shows of a run's recorded steps, in nats per token."""

    train: Sequence[float]  # the training loss, in few points
    last: float | None  # of the sampled validation losses
    best: float | None


def _glimpse(run: Run) -> Glimpse:
    return _cached_glimpse(run.path, _n_bytes(run))


@functools.lru_cache(maxsize=2_000)
def _cached_glimpse(path: Path, n_bytes: int) -> Glimpse:
    rows = caches.store().get(path).rows()
    sampled = [row["sampled_val_loss"] for row in rows if row["sampled_val_loss"] is not None]
    return Glimpse(
        train=charts.sparkline([row["train_loss"] for row in rows]),
        last=sampled[-1] if sampled else None,
        best=min(sampled, default=None),
    )


def _n_bytes(run: Run) -> int:
    """The size of the run's recorded steps, which grows with them."""
    path = run.path / "metrics.jsonl"
    return path.stat().st_size if path.exists() else 0


def table(
    group: Group, runs: Sequence[Run], distance_of: Callable[[Run], str] | None = None
) -> pd.DataFrame:
    """The table to show: a row per run, with results in the group's unit.

    `distance_of` says how far a run is from the frontier; left out, there is no such column.
    """
    differences = labels(group.runs)
    tells_more = any(differences[run.run_id] != run.name for run in runs) and len(group.runs) > 1
    distances = {run.run_id: distance_of(run) for run in runs} if distance_of else {}
    tells_spelling = group.in_bits and any(map(_spelling, runs))
    return pd.DataFrame(
        [
            {
                "run_id": run.run_id,
                "Run": run.name,
                **({"What differs": differences[run.run_id]} if tells_more else {}),
                "Loss": glimpse.train,
                "Last": group.in_unit(run, glimpse.last),
                "Best": group.in_unit(run, glimpse.best),
                "Validation": group.score(run.status.valid),
                "Test": group.score(run.status.test),
                **({"Spelling": _spelling(run)} if tells_spelling else {}),
                **({"Unknown words": _unknown(run)} if any(map(_unknown, runs)) else {}),
                **({"To the frontier": distances[run.run_id]} if any(distances.values()) else {}),
                "FLOPs": flops_text(run.status.flops.total) if run.status.flops.total else "0",
                "Parameters": run.n_params,
                "Time": round(run.status.seconds, 1),
                "State": state(run),
            }
            for run, glimpse in zip(runs, map(_glimpse, runs), strict=True)
        ]
    )


def _spelling(run: Run) -> str:
    """What a run pays for what its words do not tell, and by what if not by characters."""
    valid = run.status.valid
    if valid is None or not valid.spelling_nats:
        return ""
    by = "" if valid.spelling == "characters" else f", by {valid.spelling}"
    spaces = f"{valid.spacing_bits_per_char or 0:.2f}"
    return f"{valid.spelling_bits_per_char:.2f}{by}" + (f" + {spaces}" if spaces != "0.00" else "")


def _unknown(run: Run) -> str:
    """Which share of the validation words is `<unk>`; nothing where that was not counted."""
    valid = run.status.valid
    if valid is None or not valid.unknown_share:
        return ""
    return percent(valid.unknown_share) + ("" if valid.compares_by_loss else ": compare bits")


def state(run: Run) -> str:
    """A run's state in a cell of the table."""
    now = phase(run)
    if now == "running":
        return f"training {run.status.step / run.n_steps:.0%}"
    if run.shipped:
        return "shipped"
    if now == "complete":
        return run.outcome
    text = BADGES[now][1]
    return text if now in BUSY else f"{text} at step {run.status.step:,}"


def columns(group: Group, frame: pd.DataFrame) -> dict[str, Any]:
    """How the columns of a `table` look: what differs is shown whole, if it is not very long."""
    small, medium = (theme.column_width(size) for size in ("small", "medium"))
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    loss = functools.partial(number, format="%.3f", width=small)
    letters = frame["What differs"].str.len().max() if "What differs" in frame else 0
    differs = min(max(LETTER * int(letters), 12 * LETTER), 45 * LETTER) * small // SMALL + 20
    return {
        "run_id": None,
        "Run": text(width=medium * 3 // 4, pinned=False),
        "What differs": text(width=differs),
        "Loss": st.column_config.LineChartColumn(
            width=small, help="Training loss over the run, nats per token."
        ),
        "Last": loss(
            help="The last of the losses that were measured on the way, on a part of the "
            f"validation split, {group.unit}."
        ),
        "Best": loss(
            help="The lowest of these. Where it lies well below the last, the run went on for too "
            "long: it began to learn its text by heart."
        ),
        "Validation": loss(help=f"Whole validation split, {group.unit}. It chooses."),
        "Test": loss(help=f"Whole test split, {group.unit}. It reports."),
        "Spelling": text(
            help="The bits per character, among those of validation, that spell the words that its "
            "vocabulary lacks: by an n-gram of characters that has learnt from the train split or, "
            "in older runs, by bytes that are all equally probable. Those that tell which white "
            "space stands between the words follow where they matter; older runs lack them."
        ),
        "Unknown words": text(
            help=f"Their share of the validation split. {meaning('unknown words')}",
            width=small,
        ),
        "To the frontier": text(
            help="Against the best of the ladder by the same recipe at the same training FLOPs, on "
            "test, in nats per token; and the FLOPs with which the ladder gets as far.",
            width=medium,
        ),
        "FLOPs": text(help=f"Training FLOPs. {wording.NOT_COUNTED}", width=small * 5 // 4),
        "Parameters": number(format="localized", width=small * 5 // 4),
        "Time": number(format="%.1f s", help="Training alone.", width=small),
        "State": text(width=small),
    }


def results(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run with every setting under its own name and every result, for charts and CSV."""
    return pd.DataFrame([exported_row(run, settings_of(run)) for run in runs])


def curves(group: Group, runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Each run's metrics, "operations" and "bytes" among them; in the unit of its group."""
    frames = {}
    for run in runs:
        if group.in_bits and run.status.valid is None:
            continue
        frame = metrics(run)
        losses = ("sampled_val_loss", "train_loss")
        share = frame["step"] / max(1, run.status.step)
        frames[run.run_id] = frame.assign(
            operations=share * run.scale.operations.total,
            bytes=share * run.scale.bytes.total,
            **{name: group.in_unit(run, frame[name]) for name in losses},
        )
    return frames


def matching(runs: Iterable[Run], text: str, labels: Mapping[str, str]) -> list[Run]:
    """The runs in whose name, label, id, state or architecture every word of `text` occurs."""
    wanted = text.lower().split()

    def words(run: Run) -> str:
        architecture = run.config.model.architecture
        parts = (run.name, labels[run.run_id], run.run_id, state(run), architecture)
        return " ".join(parts).lower()

    return [run for run in runs if all(word in words(run) for word in wanted)]
