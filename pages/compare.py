"""Compare: the runs in a table; the checked ones in charts."""

from __future__ import annotations

import dataclasses

import streamlit as st

from lm import charts
from lm.runs import Run
from lm.runs.table import COLUMNS, offered
from pages.common import caches, corpora, first_run, runs_table, shell, wording
from pages.common.compare import actions, choice, curves, table
from pages.common.components.chart import place
from pages.common.runs_table import Group


def load() -> tuple[list[Run], dict[str, Group]]:
    """All runs, and those that may share an axis."""
    scan = caches.store().scan()
    runs, broken = scan.runs, list(scan.broken.values())
    if st.session_state.get("with_study"):
        of_study, ids = caches.study_store().scan(), {run.run_id for run in runs}
        runs += [run for run in of_study.runs if run.run_id not in ids]
        broken += of_study.broken.values()
    for sentence in broken:
        st.warning(wording.plain(sentence))
    return runs, runs_table.groups(runs)


# --- show ---------------------------------------------------------------------------------------


def show(group: Group, checked: list[Run], looks: dict[str, charts.Look]) -> None:
    """What the compute bought; settings against results; training curves."""
    labels = runs_table.labels(checked)
    looks = {
        run.run_id: dataclasses.replace(looks[run.run_id], label=labels[run.run_id])
        for run in checked
    }
    st.header("What the compute bought", anchor=False)
    _compute(group, checked, looks)
    st.header("Setting against result", anchor=False)
    _settings(group, checked, looks)
    st.header("Training curves", anchor=False)
    curves.show(group, checked, looks)


def _compute(group: Group, checked: list[Run], looks: dict[str, charts.Look]) -> None:
    result = "test_bits_per_char" if group.in_bits else "test_log_likelihood"
    scored = [run for run in checked if run.status.test]
    if not scored:
        st.caption("None of the checked runs has been scored on a test split yet.")
        return
    frame = runs_table.results(scored)
    looks = {run.run_id: looks[run.run_id] for run in scored}
    with st.container(key="compute-chart", gap="xxsmall"):
        place(
            charts.results_chart(
                frame,
                looks,
                x="flops",
                y=result,
                x_title=COLUMNS["flops"].label,
                y_title=COLUMNS[result].label,
                log_x=True,
                references={} if group.in_bits else _counting(group),
            ),
            key="compute",
            alt=charts.describe_results(
                frame, looks, y=result, y_title=COLUMNS[result].label,
                best="min" if group.in_bits else "max",
            ),
        )  # fmt: skip
        left_out = len(checked) - len(scored)
        better = "Lower" if group.in_bits else "Higher"
        st.caption(
            f"{better} is better. Dashed: what counting n-grams reaches, with no training FLOPs at "
            f"all. FLOPs of training alone. {wording.NOT_COUNTED}"
            + (f" {wording.n_runs(left_out)} without a test score left out." if left_out else "")
        )


def _settings(group: Group, checked: list[Run], looks: dict[str, charts.Look]) -> None:
    quantities = {column.name: column.label for column in offered("x")}
    options = [*quantities, *runs_table.varying(checked)]
    results = {
        column.name: column.label
        for column in offered("y")
        if not (group.in_bits and column.per_token)
    }
    for key, allowed in (("setting", options), ("result", list(results))):
        if st.session_state.get(key, allowed[0]) not in allowed:
            del st.session_state[key]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        setting = st.selectbox(
            "Setting",
            options,
            key="setting",
            index=options.index("flops"),
            format_func=lambda name: str(quantities.get(name, name)),
            persist_state="session",
            width=280,
        )
        result = st.selectbox(
            "Result",
            list(results),
            key="result",
            index=list(results).index("val_bits_per_char" if group.in_bits else "val_loss"),
            format_func=lambda name: results[name],
            persist_state="session",
            width=340,
        )
        log_x = st.toggle("Log x", value=True, key="setting_log", persist_state="session")
    frame = runs_table.results(checked)
    have = frame.dropna(subset=[result, setting]) if setting in frame else frame.iloc[:0]
    if have.empty:
        st.caption("None of the checked runs has both yet.")
        return
    looks = {run_id: look for run_id, look in looks.items() if run_id in set(have["run_id"])}
    best = "max" if COLUMNS[result].higher_is_better else "min"
    with st.container(key="setting-chart"):
        place(
            charts.results_chart(
                have,
                looks,
                x=setting,
                y=result,
                x_title=quantities.get(setting, setting),
                y_title=results[result],
                log_x=log_x,
            ),
            key="settings",
            alt=charts.describe_results(have, looks, y=result, y_title=results[result], best=best),
        )


def _counting(group: Group) -> dict[str, float]:
    """Test log-likelihood of counting: what a model of no training FLOPs reaches."""
    try:
        baselines = corpora.baselines(group.runs[0].config.data)
    except ValueError:
        return {}  # the text is not here; the runs are
    return {
        name: parts["test"].log_likelihood for name, parts in baselines.items() if "test" in parts
    }


shell.page(
    "Compare",
    "What did each training FLOP buy? Check runs in the table; the charts show the checked ones. "
    "Validation chooses, test reports.",
)
if done := st.session_state.pop("done", None):
    st.toast(wording.plain(done))
runs, groups = load()
if not runs:
    first_run.offer("There is no run to compare yet.")
else:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        group = choice.choose_group(groups)
    with right:
        looks = choice.colouring(group)
    choice.choose_study()
    checked = choice.checked_runs(group)
    table.show(group)
    actions.act(group, checked)
    if checked:
        show(group, checked, looks)
    else:
        st.info("Check rows of the table to see them in charts.")
