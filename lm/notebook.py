"""Training, comparing and sampling in one line each, for a notebook: what `import lm` gives.

They print nothing. Their errors are those of the rest of the program: a `ValueError` whose message
is a sentence or two. docs/notebook.md shows them at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.architectures import DEFAULT
from lm.base.records import Evaluation
from lm.base.registry import must_be_one_of
from lm.base.settings import ConfigError
from lm.datasets import DATASETS, Corpus, load
from lm.datasets import DEFAULT as DEFAULT_DATASET
from lm.datasets.config import DataConfig
from lm.datasets.textfile import read_any_text
from lm.runs import Run, RunStore
from lm.runs import table as tables
from lm.runs.config import RunConfig
from lm.runs.prepare import prepare
from lm.runs.presets import DEFAULT as DEFAULT_PRESET
from lm.runs.recipes import RunSpec
from lm.training import execute
from lm.writing.generation import generate, text_pieces
from lm.writing.loading import load_decoder
from lm.writing.prompts import read_prompt
from lm.writing.sampling import Sampling

if TYPE_CHECKING:
    import altair as alt  # noqa: TID251 - its name alone
    import pandas as pd

Store = RunStore | str | Path
Runs = Iterable[Run] | RunStore | str | Path | None  # None: the runs of `RunStore()`


# --- from settings to a run ---------------------------------------------------------------------


def resolve(
    dataset: str | Path | DataConfig = DEFAULT_DATASET,
    architecture: str = DEFAULT,
    *,
    budget: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    preset: str = DEFAULT_PRESET,
    **given: Any,
) -> RunConfig:
    """Every setting of a run, before it is trained.

    It has what you give and, for all else, what the preset chooses for this budget and this text.

    Args:
        dataset: The name of a corpus, the path of a text file, or a `DataConfig`.
        architecture: Its name, one of `lm.architectures.ARCHITECTURES`.
        budget, steps, epochs: How long to train; give one. `budget` counts training FLOPs.
        preset: The recipe that decides what is not given.
        given: Any other setting, as in `learning_rate=0.02`. Where a name is not enough, because
            a text and its training both have a seed, say `**{"data.seed": 1}`.

    Raises `ConfigError` for settings that cannot be, and `DatasetError` for a text that cannot be
    read.
    """
    horizon: dict[str, Any] = {"budget": budget, "steps": steps, "epochs": epochs}
    return _resolved(dataset, architecture, preset, horizon, given)[0]


def train(
    dataset: str | Path | DataConfig = DEFAULT_DATASET,
    architecture: str = DEFAULT,
    *,
    budget: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    preset: str = DEFAULT_PRESET,
    name: str | None = None,
    store: Store | None = None,
    **given: Any,
) -> Run:
    """Train a model to the end, and return its run, scored whole on validation and test.

    Args:
        dataset, architecture, budget, steps, epochs, preset, given: See `resolve`.
        name: What to call the run; its id is drawn.
        store: The folder of runs to add it to, by default that of `RunStore()`.

    Interrupted from the keyboard, the run keeps what it has learnt, and `execute` goes on with it.
    Raises what `resolve` does, `BudgetError` for a budget below one step, and ArithmeticError for
    a training that diverged.
    """
    horizon: dict[str, Any] = {"budget": budget, "steps": steps, "epochs": epochs}
    config, corpus = _resolved(dataset, architecture, preset, horizon, given)
    return execute(prepare(config, _store(store), name, corpus), corpus=corpus)


def _resolved(
    dataset: str | Path | DataConfig,
    architecture: str,
    preset: str,
    horizon: Mapping[str, Any],
    given: Mapping[str, Any],
) -> tuple[RunConfig, Corpus]:
    asked = {"architecture": architecture, "preset": preset, **_text(dataset)}
    asked |= {name: value for name, value in horizon.items() if value is not None}
    return RunSpec.of({**asked, **given}).load(load)


def _text(dataset: str | Path | DataConfig) -> dict[str, Any]:
    """The settings that say which text. Raises `ConfigError` for one that there is not."""
    if isinstance(dataset, DataConfig):
        return {f"data.{name}": value for name, value in dataset.model_dump().items()}
    if str(dataset) in DATASETS:
        return {"data.dataset": str(dataset)}
    if not Path(dataset).expanduser().exists():
        hint = must_be_one_of("dataset", str(dataset), DATASETS)
        raise ConfigError(f"{hint} There is no file of that name either.")
    return {"data.text_path": str(dataset)}


# --- from runs to tables, charts and texts ------------------------------------------------------


def table(runs: Runs = None) -> pd.DataFrame:
    """A row per run, newest first: its settings, under names like `model.d_model`, and its results.

    `runs`: some runs, or a folder of them; left out, those of `RunStore()`.
    """
    return tables.dataframe(_listed(runs))


def chart(
    runs: Runs = None, *, x: str = "flops", y: str = "test_log_likelihood"
) -> alt.Chart | alt.LayerChart:
    """A chart with a mark for each run that has both: result `y` against `x`, a column of `table`.

    Args:
        runs: Some runs, or a folder of them; left out, those of `RunStore()`.
        x: What was spent or varied, such as "flops", "n_params" or "model.d_model".
        y: What came of it, such as "val_loss" or "test_bits_per_char".

    Raises `ConfigError` for a column that does not exist, and where runs of several texts or
    tokenizers would share an axis of nats per token, which mean something else for each.
    """
    from lm import charts  # imports Altair and pandas, which takes 0.6 s

    result = tables.column(y)
    listed = [run for run in _listed(runs) if result.value(run) is not None]
    frame = tables.dataframe(listed)
    if x not in frame:
        raise ConfigError(must_be_one_of("x", x, frame.columns))
    keys = {run.comparable_key if result.per_token else run.text_key for run in listed}
    if len(keys) > 1 and "x" not in result.axes:  # FLOPs and seconds compare for any texts
        raise ConfigError(
            f"{y} does not compare across texts and tokenizers, and these runs have several. "
            "Give runs of one, or y='test_bits_per_char' where the text is the same."
        )
    names = {run.run_id: run.name for run in listed}
    if len(set(names.values())) < len(names):
        names = {run_id: f"{name} ({run_id})" for run_id, name in names.items()}
    return charts.results_chart(
        frame,
        charts.run_looks({run.run_id: run.config.model.architecture for run in listed}, names),
        x=x,
        y=y,
        x_title=tables.COLUMNS[x].label if x in tables.COLUMNS else x,
        y_title=result.label,
        log_x=x in tables.COLUMNS,
    )


def evaluate(run: Run | str | Path, on: str | Path = "test") -> Evaluation:
    """The score of a run's weights: `.loss` in nats per token, `.bits_per_char`, and more.

    `run` may be an id or a name in `RunStore()`; `on` is "valid", "test", or the path of a text
    file in any encoding, all of which is then scored, by the run's own tokenizer. Raises
    `CheckpointError` for a run without weights, and `UnknownTokenError` for a text with characters
    or words that its tokenizer cannot express.
    """
    from lm.training.scoring import score, score_text  # loads torch, which takes over a second

    run = run if isinstance(run, Run) else RunStore().get(run)
    return (
        score(run, str(on)) if on in ("valid", "test") else score_text(run, read_any_text(on).text)
    )


def sample(run: Run | str | Path, prompt: str = "", n_tokens: int = 200, **how: Any) -> str:
    """A text that a run's model writes: `prompt`, and `n_tokens` more.

    `run` may be an id or a name in `RunStore()`; `how` are settings of `Sampling`, such as
    `temperature=0.8` or `seed=1`. Raises `CheckpointError` for a run without weights, and
    `UnknownTokenError` for a prompt with characters that it never met.
    """
    run = run if isinstance(run, Run) else RunStore().get(run)
    tokenizer, decoder = run.tokenizer(), load_decoder(run)
    begun = read_prompt(prompt, tokenizer, decoder)
    tokens = generate(decoder, begun.token_ids, n_tokens, Sampling(**how))
    return begun.text + "".join(text_pieces(tokenizer, begun.token_ids, tokens))


def _store(store: Store | None) -> RunStore:
    return store if isinstance(store, RunStore) else RunStore(store)


def _listed(runs: Runs) -> list[Run]:
    if runs is None or isinstance(runs, RunStore | str | Path):
        return _store(runs).list()
    return list(runs)
