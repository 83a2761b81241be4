"""Compare: the runs in a table; the checked ones in charts."""

from __future__ import annotations

import math

import streamlit as st

from lm import charts
from lm.runs import Run, RunError
from pages.common import (
    archive,
    caches,
    corpora,
    first_run,
    links,
    phases,
    runs_table,
    shell,
    words,
)
from pages.common.archive import ArchiveError
from pages.common.runs_table import Group

MOST_CHECKED = 12  # at first; any number can be checked by hand
SECONDS_BETWEEN_UPDATES = 2.0

RESULTS = {
    "test_log_likelihood": "Test log-likelihood (nats per token)",
    "val_log_likelihood": "Validation log-likelihood (nats per token)",
    "val_loss": "Validation loss (nats per token)",
    "test_loss": "Test loss (nats per token)",
    "val_perplexity": "Validation perplexity (per token)",
    "test_perplexity": "Test perplexity (per token)",
    "val_bits_per_char": "Validation bits per character",
    "test_bits_per_char": "Test bits per character",
    "seconds": "Training time (s)",
}
IN_BITS = ("test_bits_per_char", "val_bits_per_char", "seconds")
QUANTITIES = {
    "flops": "Training FLOPs",
    "n_params": "Parameters",
    "seconds": "Training time (s)",
    "tokens": "Training tokens",
}


def load() -> tuple[list[Run], dict[str, Group]]:
    """All runs, and those that may share an axis."""
    scan = caches.store().scan()
    for sentence in scan.broken.values():
        st.warning(words.plain(sentence))
    runs = scan.runs
    if st.session_state.get("with_study"):
        known = {run.run_id for run in runs}
        runs += [run for run in caches.study_store().list() if run.run_id not in known]
    return runs, runs_table.groups(runs)


# --- form ---------------------------------------------------------------------------------------


def choose_group(groups: dict[str, Group]) -> Group:
    """Corpus and tokens first: losses of others mean something else."""
    link = _checks_of_link()
    if link:
        for key, group in groups.items():
            if found := [run.run_id for run in group.runs if run.run_id in link]:
                st.session_state["group"] = key
                _memory()[key] = found
                break
    if st.session_state.get("group") not in groups:
        st.session_state["group"] = next(iter(groups))
    key = st.selectbox(
        "Corpus and tokens",
        list(groups),
        format_func=lambda key: f"{groups[key].title} ({_runs(len(groups[key].runs))})",
        key="group",
        persist_state="session",
        help="Losses per word and per character are not comparable; bits per character are, where "
        "the text is the same.",
    )
    return groups[key]


def choose_study() -> None:
    """Whether the study's runs, hundreds of them, are among the rows."""
    folder = caches.study_store().root
    if folder.is_dir() and (count := sum(path.is_dir() for path in folder.iterdir())):
        st.toggle(f"With the study's runs ({count})", key="with_study", persist_state="session")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _memory() -> dict[str, list[str]]:
    """Ids of the checked runs, by group."""
    return st.session_state.setdefault("checked", {})


def _checks_of_link() -> set[str]:
    """What the URL names, unless this page wrote it."""
    run_ids = links.runs_to_compare()
    return set() if run_ids == st.session_state.get("checked_url") else set(run_ids)


def checked_runs(group: Group) -> list[Run]:
    """The checked runs of the group, oldest first; before any was checked, the best."""
    if group.key not in _memory():

        def loss(run: Run) -> float:
            score = group.score(run.status.valid)
            return math.inf if score is None else score

        best = sorted(group.runs, key=loss)
        _memory()[group.key] = [run.run_id for run in best[:MOST_CHECKED]]
    chosen = set(_memory()[group.key])
    runs = [run for run in group.runs if run.run_id in chosen]
    st.session_state["checked_url"] = links.keep_in_address(runs)
    return runs


def table(group: Group) -> None:
    """The runs; checking a row puts it into the charts."""
    told = runs_table.labels(group.runs)
    wanted = st.text_input(
        "Filter",
        key="filter",
        placeholder="name, setting or state, for example: transformer 1e12",
        type="search",
        live=True,
        persist_state="session",
    )
    found = runs_table.matching(group.runs, wanted or "", told)
    if not found:
        st.caption("No run matches.")
        return
    moving = any(phases.busy(run) for run in found)
    every = SECONDS_BETWEEN_UPDATES if moving else None
    st.fragment(_rows, run_every=every, key="rows")(group, [run.run_id for run in found], moving)


def _rows(group: Group, run_ids: list[str], moving: bool) -> None:
    by_id = {run.run_id: run for run in group.runs}
    runs = [by_id[run_id] for run_id in run_ids]
    if moving:
        try:
            runs = [run.reload() if phases.busy(run) else run for run in runs]
        except RunError:
            st.rerun()
        if not any(phases.busy(run) for run in runs):
            st.rerun()  # with the results, and without the timer
    checked = _memory()[group.key]
    rows = [i for i, run_id in enumerate(run_ids) if run_id in checked]
    with st.container(key="runs-table"):
        event = st.dataframe(
            runs_table.table(group, runs),
            column_config=runs_table.columns(group),
            hide_index=True,
            # another set of rows is another table: a check belongs to a run, not to a place
            key=f"table-{abs(hash((group.key, *run_ids)))}",
            on_select="rerun",
            selection_mode="multi-row",
            selection_default={"selection": {"rows": rows}},
            placeholder="–",
            height="auto" if len(runs) > 10 else "content",
            alt=f"{_runs(len(runs))}: settings and results",
        )
    selected = {run_ids[i] for i in event.selection.rows if i < len(run_ids)}
    after = [run_id for run_id in checked if run_id not in run_ids] + [
        run_id for run_id in run_ids if run_id in selected
    ]
    if set(after) != set(checked):
        _memory()[group.key] = after
        st.rerun()


def colouring(group: Group) -> dict[str, charts.Look]:
    """A look for every run of the group, checked or not: it stays when others come and go."""
    names = [name for name in runs_table.varying(group.runs) if name != "architecture"]
    options = ["architecture", "run", *names]
    if st.session_state.get("color_by", "architecture") not in options:
        del st.session_state["color_by"]
    by = st.selectbox(
        "Colour by",
        options,
        key="color_by",
        persist_state="session",
        help="Runs of one colour differ by dash and by shape.",
    )
    if by == "run":
        decides = {run.run_id: run.run_id for run in group.runs}
    elif by == "architecture":
        decides = {run.run_id: run.config.model.architecture for run in group.runs}
    else:
        decides = {
            run.run_id: f"{by} {runs_table.settings_of(run).get(by, '–')}" for run in group.runs
        }
    return charts.looks(decides, {run.run_id: run.name for run in group.runs})


# --- show ---------------------------------------------------------------------------------------


def show(group: Group, checked: list[Run], looks: dict[str, charts.Look]) -> None:
    """What the compute bought; settings against results; training curves."""
    told = runs_table.labels(checked)
    shown = {
        run.run_id: charts.Look(
            told[run.run_id], looks[run.run_id].color, looks[run.run_id].dash,
            looks[run.run_id].shape,
        )
        for run in checked
    }  # fmt: skip
    st.header("What the compute bought", anchor=False)
    _compute(group, checked, shown)
    st.header("Setting against result", anchor=False)
    _settings(group, checked, shown)
    st.header("Training curves", anchor=False)
    _curves(group, checked, shown)


def _place(chart, *, key: str, alt: str) -> None:
    """A chart, and itself as a picture; the chart's own menu has it as PNG."""
    st.altair_chart(chart, key=key, alt=alt)
    if not charts.SVG:
        return
    st.download_button(
        "Save as SVG",
        data=lambda: charts.to_svg(chart),
        file_name=f"{key}.svg",
        mime="image/svg+xml",
        key=f"svg-{key}",
        on_click="ignore",
        type="tertiary",
        icon=":material/image:",
    )


def _compute(group: Group, checked: list[Run], shown: dict[str, charts.Look]) -> None:
    result = "test_bits_per_char" if group.in_bits else "test_log_likelihood"
    scored = [run for run in checked if run.status.test]
    if not scored:
        st.caption("None of the checked runs has been scored on a test split yet.")
        return
    frame = runs_table.results(group, scored)
    shown = {run.run_id: shown[run.run_id] for run in scored}
    with st.container(key="compute-chart", gap="xxsmall"):
        _place(
            charts.results_chart(
                frame,
                shown,
                x="flops",
                y=result,
                x_title=QUANTITIES["flops"],
                y_title=RESULTS[result],
                log_x=True,
                references={} if group.in_bits else _counting(group),
            ),
            key="compute",
            alt=charts.describe_results(
                frame, shown, y=result, y_title=RESULTS[result],
                best="min" if group.in_bits else "max",
            ),
        )  # fmt: skip
        left_out = len(checked) - len(scored)
        better = "Lower" if group.in_bits else "Higher"
        st.caption(
            f"{better} is better. Dashed: what counting n-grams reaches, with no training FLOPs at "
            f"all. FLOPs of training alone. {words.NOT_COUNTED}"
            + (f" {_runs(left_out)} without a test score left out." if left_out else "")
        )


def _settings(group: Group, checked: list[Run], shown: dict[str, charts.Look]) -> None:
    options = [*QUANTITIES, *runs_table.varying(checked)]
    results = {k: v for k, v in RESULTS.items() if not group.in_bits or k in IN_BITS}
    for key, allowed in (("setting", options), ("result", list(results))):
        if st.session_state.get(key, allowed[0]) not in allowed:
            del st.session_state[key]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        setting = st.selectbox(
            "Setting",
            options,
            key="setting",
            format_func=lambda name: QUANTITIES.get(name) or name,
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
    frame = runs_table.results(group, checked)
    have = frame.dropna(subset=[result, setting]) if setting in frame else frame.iloc[:0]
    if have.empty:
        st.caption("None of the checked runs has both yet.")
        return
    shown = {run_id: look for run_id, look in shown.items() if run_id in set(have["run_id"])}
    best = "max" if "log_likelihood" in result else "min"
    with st.container(key="setting-chart"):
        _place(
            charts.results_chart(
                have,
                shown,
                x=setting,
                y=result,
                x_title=QUANTITIES.get(setting) or setting,
                y_title=results[result],
                log_x=log_x,
            ),
            key="settings",
            alt=charts.describe_results(have, shown, y=result, y_title=results[result], best=best),
        )


def _curves(group: Group, checked: list[Run], shown: dict[str, charts.Look]) -> None:
    losses = {"sampled_val_loss": "Sampled validation loss", "train_loss": "Training loss"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        loss = st.segmented_control(
            "Loss",
            list(losses),
            default="sampled_val_loss",
            required=True,
            key="curve_loss",
            format_func=lambda name: losses[name],
            persist_state="session",
        )
        x = st.segmented_control(
            "Against",
            list(charts.X_TITLES),
            default="flops",
            required=True,
            key="curve_x",
            format_func=words.axis,
            persist_state="session",
        )
        smoothing = st.select_slider(
            "Smoothing",
            [0.0, 0.02, 0.05, 0.1, 0.2],
            format_func=lambda share: "none" if not share else f"{share:.0%} of the run",
            key="smoothing",
            persist_state="session",
            width=220,
            help="The mean over this share of a run. The raw line stays, faint.",
        )
        log_x = st.toggle("Log x", value=True, key="curve_log", persist_state="session")
    frames = runs_table.curves(group, checked)
    frames = {run_id: frame for run_id, frame in frames.items() if len(frame[loss].dropna()) > 1}
    if not frames:
        st.caption("None of the checked runs has a curve yet.")
        return
    shown = {run_id: shown[run_id] for run_id in frames}
    title = f"{losses[loss]} ({group.unit})"
    with st.container(key="curves-chart"):
        _place(
            charts.training_curves(
                frames,
                shown,
                x=x,
                y=loss,
                y_title=title,
                log_x=log_x,
                smoothing=smoothing,
                references={} if group.in_bits else _references(group),
            ),
            key="curves",
            alt=charts.describe_curves(frames, shown, y=loss, y_title=title),
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


def _references(group: Group) -> dict[str, float]:
    try:
        return corpora.references(group.runs[0].config.data)
    except ValueError:
        return {}  # the text is not here; the runs are


# --- act ----------------------------------------------------------------------------------------


def act(group: Group, checked: list[Run]) -> None:
    """Take the table away, share it, look after one run."""
    with st.container(horizontal=True, key="actions"):
        st.download_button(
            "Export CSV",
            data=lambda: runs_table.results(group, group.runs).to_csv(index=False),
            file_name=f"{group.key}.csv",
            mime="text/csv",
            key="export-csv",
            on_click="ignore",
            icon=":material/download:",
        )
        with st.popover("Copy link", icon=":material/link:"):
            st.caption("This address opens the page with the same rows checked.")
            here = (st.context.url or "").split("?")[0]
            st.code(links.to_compare(checked).text(here), language=None, wrap_lines=True)
        with st.popover("One run …", icon=":material/edit:", key="one-run"):
            _one_run(group)
        with st.popover("Import a run", icon=":material/upload:", key="import"):
            import_run()


def _one_run(group: Group) -> None:
    by_id = {run.run_id: run for run in reversed(group.runs)}
    if st.session_state.get("managed", next(iter(by_id))) not in by_id:
        del st.session_state["managed"]
    run_id = st.selectbox(
        "Run", list(by_id), key="managed", format_func=words.names(group.runs).__getitem__
    )
    run = by_id[run_id]
    with st.container(horizontal=True):
        if st.button("Show its training", key="watch"):
            links.to_train(run).follow()
        if run.weights_path.exists() and st.button("Write with it", key="write"):
            links.to_generate(run).follow()
        st.download_button(
            "Export",
            data=lambda: archive.pack(run),
            file_name=f"{run.run_id}.zip",
            mime="application/zip",
            key="export-run",
            on_click="ignore",
            help="The run's folder as a zip, to be imported elsewhere.",
        )
    if run.shipped:
        st.caption("It came with the program: it keeps its name and is not deleted.")
        return
    with st.form("rename", border=False):
        name = st.text_input("Name", run.name, key=f"name-{run.run_id}", max_chars=80)
        if st.form_submit_button("Rename"):
            _attempt(lambda: caches.store().rename(run, name), f"Renamed to {name.strip()}.")
    _delete(run)


def _delete(run: Run) -> None:
    """Ask once more; what is deleted is gone."""
    if st.session_state.get("deleting") != run.run_id:
        st.button(
            "Delete …",
            key="delete",
            on_click=st.session_state.update,
            args=({"deleting": run.run_id},),
        )
        return
    st.markdown(
        "Delete it with its curve, its samples and its checkpoint? There is no way back; export "
        "it first to keep a copy."
    )
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="confirm-delete"):
            _attempt(lambda: caches.store().delete(run), f"Deleted {run.name}.")
        st.button("Keep it", key="keep", on_click=st.session_state.pop, args=("deleting", None))


def import_run() -> None:
    """A run from a zip, checked before it lands."""
    with st.form("import-form", border=False, clear_on_submit=True):
        file = st.file_uploader("A run exported as zip", type="zip", key="import-file")
        if st.form_submit_button("Import"):
            if file is None:
                st.error("Choose a file first.")
            else:
                _attempt(
                    lambda: archive.unpack(file.getvalue(), caches.store()), "Imported the run."
                )


def _attempt(action, done: str) -> None:
    try:
        action()
    except (RunError, ArchiveError, OSError) as error:
        st.error(words.plain(str(error)))
        return
    st.session_state["done"] = done
    st.rerun()


shell.page(
    "Compare",
    "What did each training FLOP buy? Check runs in the table; the charts show the checked ones. "
    "Validation chooses, test reports.",
)
if done := st.session_state.pop("done", None):
    st.toast(words.plain(done))
runs, groups = load()
if not runs:
    first_run.offer("There is no run to compare yet.")
else:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        group = choose_group(groups)
    with right:
        looks = colouring(group)
    choose_study()
    checked = checked_runs(group)
    table(group)
    act(group, checked)
    if checked:
        show(group, checked, looks)
    else:
        st.info("Check rows of the table to see them in charts.")
