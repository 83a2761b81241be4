"""Running a study: train the search, then the comparisons, write figures and report, ship."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lm.base.flops import flops_text
from lm.datasets import DATASETS
from lm.jobs.executors import Executor
from lm.jobs.sweeps import PlannedRun, SweepProgress, SweepResult, estimate, run_sweep
from lm.runs import Run, RunStore
from lm.runs.config import RunConfig
from lm.study import figures, report
from lm.study.choices import best_checkpoints, runs_of, tuned_factors
from lm.study.families import Family, Study
from lm.study.results import gather
from lm.study.sections import SECTIONS


def run(
    study: Study,
    store: RunStore,
    executor: Executor,
    *,
    on_progress: Callable[[str, SweepProgress], None] = lambda stage, progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SweepResult:
    """Train what is missing, the search first. A run that is complete is never repeated."""

    def train(stage: str, families: list[Family]) -> SweepResult:
        configs = [config for family in families for _, _, config in family.runs]
        planned = estimate(configs, store, load=study.load).runs
        planned.sort(key=lambda run: -run.seconds)  # no worker idles beside a long run at the end
        return run_sweep(
            [run.config for run in planned],
            store,
            executor,
            on_progress=lambda progress: on_progress(stage, progress),
            should_stop=should_stop,
            load=study.load,
        )

    search = train("search", study.searches())
    if search.unfinished:
        return search
    rest = train("study", study.comparisons(tuned_factors(study, store)))
    return replace(rest, failed=search.failed | rest.failed)


def write_out(study: Study, store: RunStore, out: Path) -> Path:
    """Write the study's files under `out`, from the runs in the store alone.

    They are figures/ (pictures, and JSON for the page), docs/report.md and, for its long tables,
    docs/report/*.csv.
    """
    gathered = gather(study, store)
    made = figures.figures(gathered)
    figures.write(made, report.sentences(gathered), out / "figures")
    path = out / "docs" / "report.md"
    tables = path.with_suffix("")
    tables.mkdir(parents=True, exist_ok=True)
    for name, table in report.tables(gathered).items():
        table.to_csv(tables / f"{name}.csv", index=False, float_format="%.6g")
    path.write_text(report.report(gathered, store, made), encoding="utf-8")
    return path


# --- what is left to train ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SectionCost:
    """What a section of the study takes. A run that two sections share counts in the first."""

    title: str
    runs: list[PlannedRun]

    @property
    def n_left(self) -> int:
        return sum(run.share_left > 0 for run in self.runs)

    @property
    def flops(self) -> float:
        """Training FLOPs of all its runs, done or not."""
        return float(sum(run.flops for run in self.runs))

    @property
    def flops_left(self) -> float:
        return sum(run.flops * run.share_left for run in self.runs)

    @property
    def seconds_left(self) -> float:
        """Seconds that one processor would take."""
        return sum(run.seconds_left for run in self.runs)


def plan_table(study: Study, store: RunStore) -> list[SectionCost]:
    """The cost of each section. Where the search has not chosen yet, recipes' rates stand in."""
    sections: dict[RunConfig, str] = {}
    for family in [*study.searches(), *study.comparisons(tuned_factors(study, store))]:
        for _, _, config in family.runs:
            sections.setdefault(config, family.section)
    costs = []
    for section, title in SECTIONS.items():
        configs = [config for config, its_section in sections.items() if its_section == section]
        if configs:
            costs.append(
                SectionCost(title=title, runs=estimate(configs, store, load=study.load).runs)
            )
    return costs


# --- shipping -----------------------------------------------------------------------------------


def ship(study: Study, store: RunStore, target: RunStore) -> list[Run]:
    """Have every run of the study that has ended in `target`, as what comes with the program.

    The best run of each architecture and corpus, on validation, keeps its weights and a folder;
    the others are packed. Runs that are in `target` already stay as they are. Returns the new ones.
    """
    families = [*study.searches(), *study.comparisons(tuned_factors(study, store))]
    with_weights = set(best_checkpoints(families, store).values())
    there = {run.run_id for run in target.list() if run.shipped}
    every = {run.run_id: run for family in families for _, _, run in runs_of(family, store)}
    new = [r for r in every.values() if r.state in ("complete", "failed") and r.run_id not in there]
    for run in new:
        if run.run_id in with_weights:
            target.ship(run, run.run_id, name=_title(run))
    packed = [run for run in target.list() if run.shipped and not run.weights_path.exists()]
    target.pack([*packed, *(run for run in new if run.run_id not in with_weights)])
    return [target.get(run.run_id) for run in new]


def _title(run: Run) -> str:
    """What a model is called in a list to choose from."""
    flops = flops_text(run.status.flops.total, 2)
    corpus = DATASETS[run.config.data.dataset].title
    return f"Study: {run.config.model.architecture}, {corpus}, {flops} FLOPs"
