"""Study: sweeps of one's own, and the coursework's; their cost, their progress, their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lm import charts, datasets
from lm.architectures import ARCHITECTURES
from lm.base.settings import ConfigError
from lm.datasets import DATASETS, DatasetError
from lm.jobs.sweeps import Estimate, Sweep, estimate, remembered, run_sweep
from lm.runs import Run, RunError, forecast
from lm.runs.config import RunConfig
from pages.common import background, caches, corpora, drafts, panel, shell, sweeps, words
from pages.common.background import Work

OWN, COURSEWORK = "A sweep of your own", "The coursework's study"
A_NEW_ONE = "a new one"
SECONDS_BETWEEN_UPDATES = 2.0
MOST_SETTINGS = 4
MOST_LINES = 12  # of a chart that can still be read
MOST_LINKED = 60  # runs that go along to the Compare page
RESULTS = {
    "test_log_likelihood": "Test log-likelihood (nats per token)",
    "val_loss": "Validation loss (nats per token)",
}
FLOPS = "flops"


# --- a sweep: the form --------------------------------------------------------------------------


def form() -> dict[str, Any]:
    """A definition: from a file as it stands, or from the controls. Raises `ConfigError`."""
    files = sweeps.files()
    chosen = st.selectbox(
        "Sweep",
        [A_NEW_ONE, *files],
        key="sweep_file",
        persist_state="session",
        help="A new one, one that was started here, or one of the files in `sweeps/`.",
    )
    if chosen in files:
        with st.expander(f"What is in {words.plain(files[chosen].name)}"):
            st.code(files[chosen].read_text(encoding="utf-8"), language=None, wrap_lines=True)
        found = Sweep.from_file(files[chosen])
        return {"name": found.name, "base": found.base, "axes": found.axes}
    return _controls()


def _controls() -> dict[str, Any]:
    name = st.text_input(
        "Name", "My sweep", key="sweep_name", max_chars=60, persist_state="session"
    )
    architectures = st.pills(
        "Architectures",
        list(ARCHITECTURES),
        selection_mode="multi",
        default=list(ARCHITECTURES),
        format_func=drafts.titled,
        key="sweep_architectures",
        persist_state="session",
    )
    known = [name for name in corpora.available() if not DATASETS[name].needs_path]
    dataset = st.selectbox(
        "Dataset",
        known,
        format_func=lambda name: DATASETS[name].title,
        key="sweep_dataset",
        persist_state="session",
    )
    least, most = st.select_slider(
        "Budgets (training FLOPs), from and to",
        drafts.BUDGETS,
        (1e9, 1e11),
        format_func=words.flops,
        key="sweep_budgets",
        persist_state="session",
        help="A ladder of budgets in equal ratios. Drag both ends together for one budget. Under "
        "preset modern the model's size and the batch follow from each.",
    )
    left, right = st.columns(2)
    rungs = left.number_input(
        "Rungs", 2, 12, 3, key="sweep_rungs", persist_state="session", disabled=least == most,
        help="How many budgets, both ends included.",
    )  # fmt: skip
    seeds = right.number_input(
        "Seeds", 1, 10, 3, key="sweep_seeds", persist_state="session",
        help="How often each run is trained. A difference is worth a claim from three on.",
    )  # fmt: skip
    if not architectures:
        raise ConfigError("Choose an architecture, or several.")
    base: dict[str, Any] = {"dataset": dataset}
    axes: dict[str, Any] = {}
    _put(base, axes, "architecture", architectures)
    ladder = {"from": least, "to": most, "count": rungs}
    _put(base, axes, sweeps.BUDGET, [least] if least == most else ladder)
    _put(base, axes, "seed", list(range(seeds)))
    for setting, chosen in _settings(architectures, dataset, least, most).items():
        _put(base, axes, setting, chosen)
    return {"name": name.strip() or "My sweep", "base": base, "axes": axes}


def _put(base: dict[str, Any], axes: dict[str, Any], name: str, values: Any) -> None:
    """One value is for all runs, several are an axis."""
    if isinstance(values, list) and len(values) == 1:
        base[name] = values[0]
    else:
        axes[name] = values


def _settings(
    architectures: Sequence[str], dataset: str, least: float, most: float
) -> dict[str, list[Any]]:
    known = sweeps.known_settings(architectures)
    if stale := set(st.session_state.get("sweep_settings", ())) - set(known):
        kept = [name for name in st.session_state["sweep_settings"] if name not in stale]
        st.session_state["sweep_settings"] = kept
    chosen = st.multiselect(
        "Settings to vary, or to fix",
        list(known),
        format_func=sweeps.short,
        key="sweep_settings",
        persist_state="session",
        max_selections=MOST_SETTINGS,
        placeholder="none: all follow from the budget",
        help="One value fixes a setting, several vary it: every combination is trained. Those of "
        "the model are the ones that all chosen architectures have.",
    )
    if not chosen:
        return {}
    middle = min(drafts.BUDGETS, key=lambda budget: abs(budget - (least * most) ** 0.5))
    follows = drafts.draft(
        {"architecture": architectures[0], "dataset": dataset, "budget": middle}
    ).shown
    found = {}
    for name in chosen:
        setting = known[name]
        text = st.text_input(
            f"{sweeps.short(name)}, values",
            sweeps.suggestion(setting, follows.get(sweeps.short(name))),
            key=f"sweep_values_{name}",
            persist_state="session",
            help=setting.help,
        )
        found[name] = sweeps.values(sweeps.short(name), setting, text)
    return found


# --- a sweep: its cost, its start, its progress -------------------------------------------------


def own_sweep() -> None:
    """The form on the left, what it comes to on the right."""
    left, right = st.columns([4, 8], gap="large")
    try:
        with left:
            definition = form()
        chosen = Sweep.from_dict(definition)
        configs = sweeps.expand(chosen)
    except (ConfigError, DatasetError, OSError) as error:
        with right:
            st.error(words.plain(str(error)))
        return
    with right:
        try:
            planned = estimate(configs, caches.store(), load=corpora.load)
            work = background.works().get(_key(configs))
            _cost(planned)
            act(definition, configs, planned, work)
            every = SECONDS_BETWEEN_UPDATES if work and work.running else None
            st.fragment(_progress, run_every=every, key="sweep")(chosen, configs, every is not None)
        except RunError as error:
            st.error(words.plain(str(error)))


def _key(configs: Sequence[RunConfig]) -> str:
    """The name of the work on these runs."""
    return f"sweep-{hash(tuple(configs))}"


def _cost(planned: Estimate) -> None:
    with st.container(horizontal=True, gap="medium", key="cost"):
        st.metric("Runs", words.count(len(planned.runs)), width="content")
        st.metric("To train", words.count(planned.n_left), width="content")
        st.metric(
            "FLOPs to come",
            words.flops(planned.flops_left) if planned.n_left else "0",
            width="content",
            help=f"Training FLOPs. {panel.NOT_COUNTED}",
        )
        st.metric(
            "Time here, about",
            forecast.in_words(planned.seconds_left) if planned.n_left else "–",
            width="content",
            help=f"{planned.n_at_once} at a time, "
            + (
                "predicted from the runs that were trained on this machine."
                if planned.measured
                else "a rough guess: nothing has been trained on this machine yet."
            ),
        )
        st.metric("Disk", f"{words.short(planned.bytes_left)}B", width="content")
    with st.expander("All runs"):
        st.dataframe(
            pd.DataFrame(
                {
                    "Run": run.run_id,
                    "Parameters": run.n_params,
                    "Steps": run.n_steps,
                    "FLOPs": words.flops(run.flops),
                    "Time": forecast.in_words(run.seconds),
                    "State": run.state,
                }
                for run in planned.runs
            ),
            hide_index=True,
            key="planned-runs",
            column_config={
                name: st.column_config.NumberColumn(name, format="localized")
                for name in ("Parameters", "Steps")
            },
            alt=f"{len(planned.runs)} runs with their size, cost and state",
        )


def act(
    definition: Mapping[str, Any],
    configs: Sequence[RunConfig],
    planned: Estimate,
    work: Work | None,
) -> None:
    """Start or resume, pause, take the file along."""
    begun = any(run.state != "new" for run in planned.runs)
    with st.container(horizontal=True, vertical_alignment="center", key="sweep-actions"):
        if work and work.running:
            background.pause_button(work)
        elif planned.n_left:
            runs = f"{planned.n_left} run{'s'[: planned.n_left > 1]}"
            label = f"Resume: {runs} left" if begun else f"Start {runs}"
            if st.button(label, type="primary", key="sweep-start"):
                sweeps.save(definition)
                quick = sorted(planned.runs, key=lambda run: run.seconds)  # the chart fills at once
                _start(_key(configs), [run.config for run in quick])
                st.rerun()
        st.download_button(
            "Save as file",
            data=sweeps.as_text(definition),
            file_name="sweep.json",
            mime="application/json",
            key="sweep-save",
            on_click="ignore",
            icon=":material/download:",
            help="The same sweep for the command line: `python -m lm sweep sweep.json`.",
        )
    background.problems(work)


def _start(key: str, configs: Sequence[RunConfig]) -> None:
    store, jobs = caches.store(), caches.jobs()

    def train(report: background.Report, stopped: background.Stopped) -> dict[str, str]:
        result = run_sweep(
            configs,
            store,
            jobs,
            on_progress=report,
            should_stop=stopped,
            load=remembered(datasets.load),
        )
        return result.failed | ({} if stopped() else result.unfinished)

    background.works()[key] = Work(train)


def _progress(chosen: Sweep, configs: Sequence[RunConfig], was_running: bool) -> None:
    work = background.works().get(_key(configs))
    if work and work.running:
        background.bar(work)
    elif was_running:
        st.rerun()  # with the results, and without the timer
    found = sweeps.runs_of(configs)
    names = sweeps.varied(chosen)
    rows = sweeps.frame(found, names)
    if rows.empty:
        st.caption("The chart fills as runs complete: a dot for each, their mean joined by a line.")
        return
    _chart(rows, names)
    _onward(chosen, found, rows)


# --- a sweep: its chart -------------------------------------------------------------------------


def _chart(rows: pd.DataFrame, names: Sequence[str]) -> None:
    against = [FLOPS, *(name for name in names if name != sweeps.BUDGET)]
    if len(against) > 1 and sweeps.BUDGET not in names and rows[FLOPS].nunique() < 2:
        against = against[1:]
    if st.session_state.get("sweep_x") not in (None, *against):
        del st.session_state["sweep_x"]
    first = FLOPS if sweeps.BUDGET in names else next(iter(against[1:]), against[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        x = st.selectbox(
            "Against",
            against,
            index=against.index(first),
            key="sweep_x",
            format_func=lambda name: "Training FLOPs" if name == FLOPS else sweeps.short(name),
            width=240,
        )
        y = st.selectbox(
            "Result",
            list(RESULTS),
            key="sweep_y",
            format_func=RESULTS.get,
            persist_state="session",
            width=320,
        )
    along = sweeps.BUDGET if x == FLOPS and sweeps.BUDGET in names else x
    others = [name for name in names if name != along]
    told = [sweeps.series(row, others) for row in rows.to_dict("records")]
    lines = list(dict.fromkeys(told))
    shown = lines[:MOST_LINES]
    column = rows[along]
    numbers = pd.api.types.is_numeric_dtype(column) and column.dtype != bool
    data = pd.DataFrame(
        {"x": column if numbers else column.astype(str), "y": rows[y], "series": told}
    )
    titles = {FLOPS: "Training FLOPs", sweeps.BUDGET: "Training FLOPs (budget)"}
    chart = charts.spread_figure(
        [
            charts.Panel(
                frame=data[data["series"].isin(shown)],
                x_title=titles.get(along, sweeps.short(along)),
                y_title=RESULTS[y],
                log_x=bool(numbers and (column > 0).all()),
                line=bool(numbers),
            )
        ],
        _looks(rows, shown, told, others),
        height=380,
    ).properties(width="container")
    best = rows.loc[rows[y].idxmin() if y == "val_loss" else rows[y].idxmax()]
    st.altair_chart(
        chart,
        key="sweep-chart",
        alt=f"{RESULTS[y]} of {len(rows)} runs in {len(lines)} lines against "
        f"{titles.get(along, sweeps.short(along))}; the best is {best[y]:.3f}, "
        f"{sweeps.series(best, names)}",
    )
    st.caption(
        "Dots are runs, bars reach from the lowest to the highest seed, and means of fewer than "
        "three seeds are hollow."
        + (f" The first {MOST_LINES} of {len(lines)} lines." if len(lines) > MOST_LINES else "")
    )


def _looks(
    rows: pd.DataFrame, shown: Sequence[str], told: Sequence[str], others: Sequence[str]
) -> dict[str, charts.Look]:
    """Architectures in their colours, where lines differ by them alone; else the palette's."""
    if list(others) == ["architecture"]:
        colors = dict(zip(told, rows["architecture"], strict=True))
        return charts.looks({name: colors[name] for name in shown}, {name: name for name in shown})
    return charts.looks({name: name for name in shown}, {name: name for name in shown})


def _onward(chosen: Sweep, found: Mapping[RunConfig, Run], rows: pd.DataFrame) -> None:
    with st.container(horizontal=True, key="sweep-onward"):
        st.download_button(
            "Export CSV",
            data=lambda: rows.to_csv(index=False),
            file_name="sweep.csv",
            mime="text/csv",
            key="sweep-csv",
            on_click="ignore",
            icon=":material/table_view:",
        )
        ids = [run.run_id for run in found.values()][:MOST_LINKED]
        if st.button("Compare these runs", key="sweep-compare", icon=":material/table_chart:"):
            shell.go("compare", checked=",".join(ids))


shell.page(
    "Study",
    "Train many runs and see what a setting is worth: say what varies, see what it will cost, "
    "start, and watch the charts fill. The coursework's own study is one of them.",
)
view = st.segmented_control(
    "What to look at",
    [OWN, COURSEWORK],
    default=OWN,
    required=True,
    key="study_view",
    label_visibility="collapsed",
    persist_state="session",
)
if view == OWN:
    own_sweep()
else:
    from pages.common import coursework

    coursework.show()
