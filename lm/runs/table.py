"""A run as a row: every column of results there is, by name, and the tables made of them.

A column is added by one line in `BUILT_IN`, or by `COLUMNS.add`. It then stands in
`RunStore.dataframe`, in the CSV of the Compare page, and among what that page's charts offer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lm.base.glossary import meaning
from lm.base.records import Evaluation
from lm.base.registry import Registry, must_be_one_of
from lm.base.settings import ConfigError
from lm.datasets import DATASETS
from lm.datasets.config import DataConfig
from lm.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

Axis = Literal["x", "y"]
PER_TOKEN = "nats per token"


@dataclass(frozen=True, kw_only=True)
class Column:
    """Something about a run that stands in one cell."""

    name: str
    title: str
    value: Callable[[Run], Any]  # None where a run has none
    unit: str = ""
    help: str = ""
    axes: tuple[Axis, ...] = ()  # of a chart of results that offers it: as what is varied, as y
    higher_is_better: bool = False
    heads: bool = False  # it says which run this is, so it stands before the settings
    exported: bool = True  # in the CSV too, and not only in a DataFrame
    header: str = ""  # in a CSV, where that differs from the name

    @property
    def label(self) -> str:
        """Title and unit, as on an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def per_token(self) -> bool:
        """Whether it compares only within one text and one tokenizer."""
        return self.unit.endswith("per token")


def text_title(data: DataConfig) -> str:
    """What a text is called: a corpus by its title, a file by its name."""
    return Path(data.text_path).name if data.text_path else DATASETS[data.dataset].title


def _detail(
    name: str, title: str, value: Callable[[Run], Any], unit: str = "", heads: bool = False
) -> Column:
    """A column for a DataFrame alone."""
    return Column(name=name, title=title, value=value, unit=unit, heads=heads, exported=False)


def _scored(part: Literal["val", "test"], title: str) -> tuple[Column, ...]:
    """The columns of a split that is scored whole at the end of a run."""

    def of(figure: Callable[[Evaluation], float | None]) -> Callable[[Run], float | None]:
        def value(run: Run) -> float | None:
            result = run.status.valid if part == "val" else run.status.test
            number = None if result is None else figure(result)
            if number is None or not math.isfinite(number):  # a perplexity may be too large
                return None
            return number

        return value

    return (
        Column(
            name=f"{part}_loss",
            title=f"{title} loss",
            unit=PER_TOKEN,
            value=of(lambda result: result.loss),
            axes=("y",),
        ),
        Column(
            name=f"{part}_log_likelihood",
            title=f"{title} log-likelihood",
            unit=PER_TOKEN,
            value=of(lambda result: result.log_likelihood),
            axes=("y",),
            higher_is_better=True,
        ),
        Column(
            name=f"{part}_perplexity",
            title=f"{title} perplexity",
            unit="per token",
            value=of(lambda result: result.perplexity),
            axes=("y",),
        ),
        Column(
            name=f"{part}_bits_per_char",
            title=f"{title} bits per character",
            value=of(lambda result: result.bits_per_char),
            axes=("y",),
            help=meaning("bits per character"),
        ),
        _detail(
            f"{part}_spelling_bits_per_char",
            f"{title} bits per character that spell unknown words",
            of(lambda result: result.spelling_bits_per_char),
        ),
        _detail(
            f"{part}_spacing_bits_per_char",
            f"{title} bits per character that tell white space",
            of(lambda result: result.spacing_bits_per_char),
        ),
        _detail(
            f"{part}_unknown_share",
            f"Share of {title.lower()} words that are <unk>",
            of(lambda result: result.unknown_share),
        ),
    )


BUILT_IN: tuple[Column, ...] = (
    Column(name="run_id", title="Id", value=lambda run: run.run_id, heads=True),
    Column(name="name", title="Name", value=lambda run: run.name, heads=True),
    Column(name="state", title="State", value=lambda run: run.state, heads=True),
    _detail("shipped", "Came with the program", lambda run: run.shipped, heads=True),
    _detail("created_at", "Made at", lambda run: run.created_at, heads=True),
    _detail("architecture", "Architecture", lambda run: run.config.model.architecture, heads=True),
    _detail("preset", "Preset", lambda run: run.config.preset, heads=True),
    _detail("dataset", "Corpus", lambda run: run.config.data.dataset, heads=True),
    _detail("text", "Text", lambda run: text_title(run.config.data), heads=True),
    _detail("tokenizer", "Tokenizer", lambda run: run.config.data.tokenizer, heads=True),
    _detail("path", "Folder", lambda run: str(run.path.absolute()), heads=True),
    Column(
        name="n_params",
        title="Parameters",
        value=lambda run: run.n_params,
        axes=("x",),
        help=meaning("parameters"),
    ),
    _detail("n_steps", "Steps in all", lambda run: run.n_steps),
    _detail("vocab_size", "Vocabulary", lambda run: run.vocab_size, "tokens"),
    _detail("sha256", "SHA-256 of the text", lambda run: run.facts.sha256),
    Column(name="step", title="Steps taken", value=lambda run: run.status.step, header="steps"),
    Column(
        name="tokens",
        title="Training tokens",
        value=lambda run: run.status.tokens,
        axes=("x",),
        help=meaning("training tokens"),
    ),
    Column(
        name="flops",
        title="Training FLOPs",
        value=lambda run: run.status.flops.total,
        axes=("x",),
        help=meaning("FLOPs"),
    ),
    _detail(
        "unspent",
        "FLOPs left unspent, because of a budget cap",
        lambda run: run.config.training.unspent,
    ),
    _detail("flops_forward", "Forward FLOPs", lambda run: run.status.flops.forward),
    _detail("flops_backward", "Backward FLOPs", lambda run: run.status.flops.backward),
    _detail("flops_optimizer", "Optimizer FLOPs", lambda run: run.status.flops.optimizer),
    _detail("flops_per_step", "FLOPs per step", lambda run: run.facts.flops_per_step.total),
    Column(
        name="operations",
        title="Operations",
        value=lambda run: run.scale.operations.total,
        axes=("x",),
        help=meaning("operations"),
    ),
    _detail(
        "operations_forward",
        "Forward operations",
        lambda run: run.scale.operations.forward,
    ),
    _detail(
        "operations_backward", "Backward operations", lambda run: run.scale.operations.backward
    ),
    _detail(
        "operations_optimizer", "Optimizer operations", lambda run: run.scale.operations.optimizer
    ),
    Column(
        name="bytes",
        title="Bytes read and written",
        value=lambda run: run.scale.bytes.total,
        axes=("x",),
        help=meaning("bytes"),
    ),
    Column(
        name="seconds",
        title="Training time",
        unit="s",
        value=lambda run: run.status.seconds,
        axes=("x", "y"),
        help="Training alone, on the machine that it took place on.",
    ),
    _detail("train_loss", "Training loss", lambda run: run.status.train_loss, PER_TOKEN),
    _detail(
        "sampled_val_loss",
        "Sampled validation loss",
        lambda run: run.status.sampled_val_loss,
        PER_TOKEN,
    ),
    _detail("reason", "Why it ended early", lambda run: run.reason),
    *_scored("val", "Validation"),
    *_scored("test", "Test"),
)

COLUMNS: Registry[Column] = Registry("column", BUILT_IN)

# What `train --json` prints and `runs --json` ends with, in this order.
JSON_COLUMNS = (
    "run_id",
    "path",
    "architecture",
    "dataset",
    "n_params",
    "step",
    "tokens",
    "flops",
    "flops_forward",
    "flops_backward",
    "flops_optimizer",
    "flops_per_step",
    "train_loss",
    "val_loss",
    "test_loss",
    "val_bits_per_char",
    "seconds",
    "operations",
    "bytes",
    "text",
    "tokenizer",
    "test_bits_per_char",
    "val_unknown_share",
)


def column(name: str) -> Column:
    """The column `name`. Raises `ConfigError`, naming what comes near."""
    if name not in COLUMNS:
        raise ConfigError(must_be_one_of("A column", name, COLUMNS))
    return COLUMNS[name]


def offered(axis: Axis) -> list[Column]:
    """The columns that a chart of results offers for an axis.

    On y the results come first and what can be varied as well, such as time, last.
    """
    columns = [entry for entry in COLUMNS.values() if axis in entry.axes]
    return sorted(columns, key=lambda entry: axis == "y" and "x" in entry.axes)


# --- rows ---------------------------------------------------------------------------------------


def row(run: Run, names: Iterable[str]) -> dict[str, Any]:
    """Some columns of a run, by name."""
    return {name: COLUMNS[name].value(run) for name in names}


def json_row(run: Run) -> dict[str, Any]:
    """A run as the command line prints it in JSON, by header."""
    return {COLUMNS[name].header or name: COLUMNS[name].value(run) for name in JSON_COLUMNS}


def exported_row(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run in a CSV, by header: which one it is, its `settings`, then what came of it."""
    columns = [entry for entry in COLUMNS.values() if entry.exported]
    heads = {entry.header or entry.name: entry.value(run) for entry in columns if entry.heads}
    rest = {entry.header or entry.name: entry.value(run) for entry in columns if not entry.heads}
    return {**heads, **settings, **rest}


def dataframe(runs: Iterable[Run]) -> pd.DataFrame:
    """A row per run with every column and every setting, the latter as `model.d_model`."""
    import pandas as pd  # 0.3 s, which a worker that trains need not spend

    heads = [name for name, entry in COLUMNS.items() if entry.heads]
    rest = [name for name, entry in COLUMNS.items() if not entry.heads]
    rows = [{**row(run, heads), **_settings(run), **row(run, rest)} for run in runs]
    return pd.DataFrame(rows, columns=None if rows else [*heads, *rest])


def _settings(run: Run) -> dict[str, Any]:
    """Every setting of a run by section and name."""
    sections = run.config.model_dump(mode="json", include={"data", "model", "training"})
    return {
        f"{section}.{name}": value
        for section, settings in sections.items()
        for name, value in settings.items()
    }
