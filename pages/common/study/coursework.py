"""The coursework's study on a page: its cost by section, its progress, its figures and report."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from lm import charts, datasets
from lm.base.files import PROJECT
from lm.base.flops import flops_text
from lm.base.machine import n_cores
from lm.datasets import DATASETS
from lm.jobs.sweeps import remembered
from lm.runs import RunError, RunStore, forecast
from lm.study import figures, running
from lm.study.families import Study
from lm.study.report import sentences
from lm.study.report.sentences import Said
from lm.study.results import gather
from lm.study.scales import SCALES
from lm.study.sections import CORPORA, corpora_here
from lm.study.titles import TITLES, title
from pages.common import background, caches, ladders, links, wording
from pages.common.background import Work
from pages.common.study import figure, sweeps

SECONDS_BETWEEN_UPDATES = 4.0


def show() -> None:
    """The whole view."""
    corpora = corpora_here()
    if not corpora:
        missing = DATASETS[CORPORA[0]].title
        st.info(f"The study needs {wording.plain(missing)}, which is not here. Data fetches it.")
        links.Link("data").show("Fetch it →")
        if _is_as_shipped(_store("default")):
            _shipped(with_plan=False)
        return
    scale = st.segmented_control(
        "Scale",
        list(SCALES),
        default="default",
        required=True,
        key="study_scale",
        persist_state="session",
        help="How much of everything: smoke is a test of two or three minutes, default what the "
        "report rests on, full more budgets and seeds.",
    )
    store = _store(scale)
    if scale == "default" and _is_as_shipped(store) and not st.session_state.get("study_plan"):
        _shipped()
        return
    work = background.works().get(_key(scale, corpora))
    try:
        _cost(scale, corpora, store, work)
    except RunError as error:
        st.error(wording.plain(str(error)))
        return
    every = SECONDS_BETWEEN_UPDATES if work and work.running else None
    st.fragment(_results, run_every=every, key="study")(scale, corpora, every is not None)


def _is_as_shipped(store: RunStore) -> bool:
    """Whether nothing was trained here beyond what comes with the program, figures included."""
    runs = store.list()
    return bool(runs) and all(run.shipped for run in runs) and (PROJECT / "figures").is_dir()


def _shipped(with_plan: bool = True) -> None:
    """The figures as they came: at once, where to work everything out takes seconds."""
    st.caption(
        "The study as it comes with the program: its runs are complete, and these figures are "
        "drawn from them."
    )
    paths = {path.stem: path for path in sorted((PROJECT / "figures").glob("*.json"))}
    names = list(dict.fromkeys([*(name for name in TITLES if name in paths), *paths]))
    with st.container(horizontal=True, vertical_alignment="bottom", key="study-figure-row"):
        name = _choose(names, lambda: _zip_of(PROJECT))
        if with_plan and st.button(
            "What it took, by section", key="study-plan", icon=":material/table_view:"
        ):
            st.session_state["study_plan"] = True
            st.rerun()
    figure.show(json.loads(paths[name].read_text(encoding="utf-8")))


def _choose(names: list[str], zipped: Callable[[], bytes], explained: str | None = None) -> str:
    """Which figure to show, beside a button that downloads the report with all of them."""
    name = st.selectbox(
        "Figure",
        names,
        key="study_figure",
        format_func=title,
        width=420,
        persist_state="session",
    )
    st.download_button(
        "Download report and figures",
        data=zipped,
        file_name="study.zip",
        mime="application/zip",
        key="study-report",
        on_click="ignore",
        icon=":material/download:",
        help=explained,
    )
    return name


def _zip_of(folder: Path) -> bytes:
    """docs/report.md with its tables, and figures/ of a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        tables = sorted((folder / "docs" / "report").glob("*.csv"))
        pictures = sorted((folder / "figures").glob("*.*"))
        for path in [folder / "docs" / "report.md", *tables, *pictures]:
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _store(scale: str) -> RunStore:
    """Where the study's runs are, apart from the user's; a smoke test's apart from those."""
    folder = caches.study_store().root
    return RunStore(folder if scale != "smoke" else folder / ".smoke")


def _key(scale: str, corpora: tuple[str, ...]) -> str:
    return f"study-{scale}-{'-'.join(corpora)}"


@st.cache_resource(show_spinner=False)
def _study(scale: str, corpora: tuple[str, ...]) -> Study:
    return Study(SCALES[scale], corpora, remembered(datasets.load))


# --- cost and progress ----------------------------------------------------------------------------


@st.cache_data(max_entries=8, show_spinner="Working the study out …")
def _plan(
    scale: str, corpora: tuple[str, ...], folder: str, stamp: tuple[int, int]
) -> list[running.SectionCost]:
    return running.plan_table(_study(scale, corpora), RunStore(Path(folder)))


def _cost(scale: str, corpora: tuple[str, ...], store: RunStore, work: Work | None) -> None:
    moving = work is not None and work.running
    if not moving:  # while it trains, the bar says how far it is
        st.session_state["study_stamp"] = ladders.stamp(store)
    stamp = st.session_state.setdefault("study_stamp", ladders.stamp(store))
    costs = _plan(scale, corpora, str(store.root), stamp)
    n_runs, n_left = sum(len(cost.runs) for cost in costs), sum(cost.n_left for cost in costs)

    def time_text(costs: Sequence[running.SectionCost]) -> str:
        seconds = sum(cost.seconds_left for cost in costs) / n_cores()
        return forecast.in_words(seconds) if sum(cost.n_left for cost in costs) else "–"

    wording.metrics(
        ("Runs", wording.count(n_runs), ""),
        ("To train", wording.count(n_left), ""),
        ("FLOPs in all", flops_text(sum(cost.flops for cost in costs)), sweeps.COUNTED),
        ("Time here, about", time_text(costs), f"For what is left, {n_cores()} runs at a time."),
    )
    absent = [DATASETS[name].title for name in CORPORA if name not in corpora]
    if absent:
        st.caption(f"Left out, for the text is not here: {', '.join(absent)}.")
    with st.expander("By section"):
        st.dataframe(
            [
                {
                    "Section": cost.title,
                    "Runs": len(cost.runs),
                    "To train": cost.n_left,
                    "FLOPs": flops_text(cost.flops),
                    "Time left": time_text([cost]),
                }
                for cost in costs
            ],
            hide_index=True,
            key="study-sections",
            alt="The sections of the study with their runs, FLOPs and time",
        )
    if work and work.running:
        background.pause_button(work)
        return
    background.problems(work)
    if n_left:
        label = f"Resume: {n_left} runs left" if n_left < n_runs else f"Start {n_left} runs"
        if st.button(label, type="primary", key="study-start"):
            _start(scale, corpora, store)
            st.rerun()


def _start(scale: str, corpora: tuple[str, ...], store: RunStore) -> None:
    study, jobs = _study(scale, corpora), caches.jobs()

    def train(report: background.Report, stopped: background.Stopped) -> dict[str, str]:
        outcome = running.run(
            study,
            store,
            jobs,
            on_progress=lambda stage, progress: report(progress),
            should_stop=stopped,
        )
        return outcome.failed | ({} if stopped() else outcome.unfinished)

    background.works()[_key(scale, corpora)] = Work(train)


# --- figures and report ---------------------------------------------------------------------------


@st.cache_resource(max_entries=3, show_spinner="Reading the study's runs …")
def _figures(
    scale: str, corpora: tuple[str, ...], folder: str, stamp: tuple[int, int]
) -> tuple[dict[str, figures.Figure], dict[str, Said]]:
    """The figures that there are runs for, and what is said of them."""
    gathered = gather(_study(scale, corpora), RunStore(Path(folder)))
    if gathered.frame["test_loss"].notna().sum() == 0:
        return {}, {}
    return figures.figures(gathered), sentences(gathered)


@st.cache_data(max_entries=64, show_spinner=False)
def _shown(
    scale: str, corpora: tuple[str, ...], folder: str, stamp: tuple[int, int], name: str
) -> dict[str, Any]:
    made, said = _figures(scale, corpora, folder, stamp)
    charts.use_theme()
    return figures.shown(name, made[name], said)


def _results(scale: str, corpora: tuple[str, ...], was_running: bool) -> None:
    work = background.works().get(_key(scale, corpora))
    if work and work.running:
        background.bar(work)
    elif was_running:
        st.rerun()
    store = _store(scale)
    where = scale, corpora, str(store.root), ladders.stamp(store)
    made, _ = _figures(*where)
    if not made:
        st.caption("The figures appear here as runs complete.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="study-figure-row"):
        name = _choose(
            list(made),
            functools.partial(_zipped, scale, corpora, store),
            "The report as Markdown with its tables, figures and samples. Takes half a minute to "
            "write.",
        )
    figure.show(_shown(*where, name))


def _zipped(scale: str, corpora: tuple[str, ...], store: RunStore) -> bytes:
    """docs/report.md and figures/ as the command writes them."""
    with tempfile.TemporaryDirectory() as folder:
        running.write_out(_study(scale, corpora), store, Path(folder))
        return _zip_of(Path(folder))
