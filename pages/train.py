"""Train: choose a model and a budget, see the bill, watch the loss fall."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from lm.architectures import modules
from lm.base.records import StepRecord
from lm.datasets import DATASETS, DatasetError
from lm.runs import Run, RunError, forecast
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops_by_module
from lm.runs.plan import BudgetError
from lm.runs.prepare import prepare
from lm.runs.presets import PRESETS
from pages.common import caches, corpora, drafts, forms, panel, runs_table, shell, words
from pages.common.drafts import Draft

ARCHITECTURES = {
    "linear": "Softmax regression over the last few tokens.",
    "mlp": "A multi-layer perceptron over the last few tokens.",
    "attention": "Blocks of multi-head self-attention, without feed-forward.",
    "transformer": "Blocks of self-attention and feed-forward.",
}

NAMED = 2  # settings in a run's name, at most

choices = forms.Choices("train")


def load() -> tuple[list[Run], Run | None, Draft]:
    """All runs, the one to show (the URL's, else one that moves), and what the form says."""
    runs = caches.store().list()
    by_id = {run.run_id: run for run in runs}
    came_by_link = choices.read_url({**drafts.parsers(), "run": str})
    wanted = choices.values.get("run")
    if wanted is not None and wanted not in by_id:
        st.warning(f"There is no run {words.plain(wanted)} here. It may have been deleted.")
        choices.reset("run")
    if "run" not in choices.values and (moving := [run for run in runs if panel.busy(run)]):
        choices.set("run", moving[0].run_id)
    run = by_id.get(choices.values.get("run", ""))
    if came_by_link and run and set(choices.values) == {"run"}:  # the form follows the run
        choices.values.update(drafts.choices_of(run.config))
    choices.write_url()
    return runs, run, drafts.draft(choices.values)


# --- form ---------------------------------------------------------------------------------------


def form(draft: Draft) -> None:
    """Architecture, preset, corpus; the budget; the basic settings; the rest."""
    _choice("Architecture", "architecture", list(ARCHITECTURES), draft.architecture, drafts.titled)
    st.caption(ARCHITECTURES[draft.architecture])
    presets = [p for p in PRESETS if p != "nanogpt" or draft.architecture == "transformer"]
    _choice("Preset", "preset", presets, draft.preset)
    st.caption(PRESETS[draft.preset].help)
    _dataset(draft)
    _budget(draft)
    model, training = drafts.model_settings(draft.architecture), drafts.training_settings()
    basics = [n for n in (*model, *training) if {**model, **training}[n].basic]
    _controls(draft, {**model, **training}, basics)
    with st.expander("More settings", key="more"):
        for title, known in (
            ("Corpus", drafts.data_settings()),
            ("Model", model),
            ("Training", training),
        ):
            names = [n for n in known if n not in basics and drafts.applies(n, draft.shown)]
            if names:
                st.markdown(f"**{title}**")
                _controls(draft, known, names)
    by_hand = [n for n in choices.values if n in draft.shown and n not in ("dataset", "budget")]
    by_hand = [n for n in by_hand if n != "architecture"]
    if by_hand:
        st.button(
            f"Reset all {len(by_hand)} settings" if len(by_hand) > 1 else f"Reset {by_hand[0]}",
            key="reset-all",
            icon=":material/undo:",
            on_click=choices.reset,
            args=tuple(by_hand),
        )


def _choice(
    label: str, name: str, options: list[str], value: str, text: Callable[[str], str] = str
) -> None:
    forms.put(name, value)
    st.segmented_control(
        label,
        options,
        key=name,
        format_func=text,
        required=True,
        on_change=_chosen,
        args=(name,),
        width="stretch",
    )


def _chosen(name: str) -> None:
    choices.set(name, st.session_state[name])


def _dataset(draft: Draft) -> None:
    names = corpora.available()
    forms.put("dataset", draft.data.dataset)
    st.selectbox(
        "Dataset",
        names,
        key="dataset",
        format_func=lambda name: DATASETS[name].title,
        on_change=_chosen,
        args=("dataset",),
        help="The text to learn from. Those that are not here are fetched on the Data page.",
    )
    if draft.data.text_path is not None:
        forms.put("text", corpora.title(draft.data))
        st.selectbox(
            "Your text",
            list(corpora.uploads()),
            key="text",
            on_change=_chosen,
            args=("text",),
        )
    shared = {name: dataset for name, dataset in DATASETS.items() if not dataset.needs_path}
    missing = [dataset.title for name, dataset in shared.items() if name not in names]
    if missing:
        st.caption(f"Not here yet: {', '.join(missing)}. The Data page fetches them.")
    if not corpora.uploads():
        st.caption("A text of your own can be uploaded on the Data page.")


def _budget(draft: Draft) -> None:
    forms.put("budget", draft.budget)
    st.select_slider(
        "**Budget** (training FLOPs)",
        drafts.BUDGETS,
        key="budget",
        format_func=words.flops,
        on_change=_chosen,
        args=("budget",),
        help="What the run may spend, forward and backward and optimizer. The number of steps "
        "follows from it and, under preset modern, so do the model's size and the batch.",
    )


def _controls(draft: Draft, known: dict, names: list[str]) -> None:
    """The settings two in a row."""
    follows = "the budget" if draft.preset == "modern" else f"preset {draft.preset}"
    for row in (names[i : i + 2] for i in range(0, len(names), 2)):
        for column, name in zip(st.columns(2, gap="small"), row, strict=False):
            with column:
                placeholder = {
                    "sequence_length": str(draft.shown.get("context_length")),
                    "threads": "automatic",
                }.get(name, "")
                forms.control(
                    known[name],
                    draft.shown.get(name, known[name].default),
                    choices,
                    name=name,
                    follows=follows,
                    placeholder=placeholder,
                )


# --- the bill -----------------------------------------------------------------------------------


def bill(draft: Draft, runs: list[Run]) -> None:
    """What the run would cost, before it runs."""
    if draft.plan is None or draft.config is None:
        return
    steps, seconds = draft.plan, forecast.seconds(draft.config, draft.plan, runs)
    with st.container(horizontal=True, gap="medium", key="bill"):
        st.metric("Parameters", words.count(draft.n_params), width="content")
        st.metric("Steps", words.count(steps.n_steps), width="content")
        st.metric("FLOPs per step", words.flops(steps.step.total), width="content")
        st.metric(
            "Training FLOPs",
            words.flops(steps.flops.total),
            width="content",
            help=panel.NOT_COUNTED,
        )
        st.metric(
            "Time here, about",
            forecast.in_words(seconds),
            width="content",
            help="Predicted from the runs that were trained on this machine."
            if forecast.measured(runs)
            else "A rough guess: nothing has been trained on this machine yet.",
        )
    rows, length = steps.shape
    assert draft.corpus is not None
    epochs = steps.tokens / draft.corpus.train.n_tokens
    st.caption(
        f"{rows:,} × {length:,} predictions a step, {words.short(steps.tokens)} in all: "
        f"{epochs:.2g} times through the {words.short(draft.corpus.train.n_tokens)} tokens of the "
        f"train split. {panel.NOT_COUNTED}"
    )


def _breakdown(draft: Draft) -> None:
    assert draft.config is not None
    assert draft.plan is not None
    assert draft.corpus is not None
    config, steps = draft.config, draft.plan
    vocab_size = draft.corpus.tokenizer.vocab_size
    counts = step_flops_by_module(
        config.model,
        vocab_size,
        batch_size=steps.shape[0],
        sequence_length=steps.shape[1],
        optimizer=config.training.optimizer,
        objective=config.training.objective,
    )
    rows = [
        {
            "Module": module.name,
            "Parameters": module.n_params,
            **_parts(counts[module.name]),
        }
        for module in modules(config.model, vocab_size)
    ]
    one = {"Module": "One step", "Parameters": draft.n_params, **_parts(steps.step)}
    every = {"Module": f"All {steps.n_steps:,} steps", "Parameters": draft.n_params}
    every |= _parts(steps.flops)
    frame = pd.DataFrame([*rows, one, every])
    st.dataframe(
        frame,
        hide_index=True,
        key="breakdown-table",
        height="content",
        column_config={
            name: st.column_config.NumberColumn(name, format="localized")
            for name in frame.columns[1:]
        },
        alt="Parameters and FLOPs of every module, of one step and of the whole run",
    )
    st.caption(
        "One multiply-add is 2 FLOPs. A linear map costs 2 · d_in · d_out per token, attention "
        "4 · T · n_heads · d_head; backward costs twice the forward, since each product has two "
        "factors to be differentiated. The optimizer's matrix products are Muon's; AdamW and SGD "
        "have none."
    )


def _parts(count) -> dict[str, int]:
    return {
        "Forward": count.forward,
        "Backward": count.backward,
        "Optimizer": count.optimizer,
        "Total": count.total,
    }


# --- act ----------------------------------------------------------------------------------------


def act(draft: Draft, run: Run | None, runs: list[Run]) -> None:
    """Start, or restart what is running with what has changed."""
    if draft.problem:
        st.error(words.plain(draft.problem))
    ready = draft.problem is None
    moving = run is not None and panel.busy(run)
    changed = drafts.differences(run.config, draft.config) if moving and draft.config else []
    start = restart = False
    with st.container(horizontal=True, vertical_alignment="center", key="start-row"):
        if moving:
            label = f"Restart with: {_listed(changed)}" if changed else "Restart"
            restart = st.button(
                words.plain(label), type="primary", disabled=not ready, key="restart",
                help="Stop this run, keeping its checkpoint, and begin anew. The same settings "
                "and seed give the same curve.",
            )  # fmt: skip
            start = st.button("Start another", disabled=not ready, key="start")
        else:
            start = st.button("Start", type="primary", disabled=not ready, key="start")
        if ready:
            with st.popover("How the FLOPs add up", key="breakdown"):
                _breakdown(draft)
    if not (start or restart) or draft.config is None:
        return
    try:
        fresh = prepare(
            draft.config, caches.store(), name=_name(draft.config, draft, runs), corpus=draft.corpus
        )
        if restart and run is not None:
            caches.jobs().stop(run)
        caches.jobs().start(fresh)
    except (RunError, DatasetError, BudgetError, ValueError, OSError) as error:
        st.error(words.plain(str(error)))
        return
    choices.set("run", fresh.run_id)
    st.rerun()


def _listed(changes: list[str], most: int = 2) -> str:
    more = f" and {len(changes) - most} more" if len(changes) > most else ""
    return ", ".join(changes[:most]) + more


def _name(config: RunConfig, draft: Draft, runs: list[Run]) -> str:
    """What a run is called: its architecture, size and budget, and what was set by hand."""
    size = words.short(draft.n_params).replace(" ", "")
    parts = [f"{drafts.titled(config.model.architecture)} {size}", words.flops(draft.budget)]
    if config.preset != "modern":
        parts.append(config.preset)
    by_hand = [
        f"{name} {drafts.value_text(value)}"
        for name, value in choices.values.items()
        if name in drafts.TELLING and name in config.model.model_dump() | {"learning_rate": 0}
        if name != "architecture"
    ]
    parts += by_hand[:NAMED]
    name = ", ".join(parts)[:70]
    taken = {run.name for run in runs}
    return next(
        n for n in (name, *(f"{name} ({i})" for i in range(2, len(runs) + 3))) if n not in taken
    )


# --- show ---------------------------------------------------------------------------------------


def show(draft: Draft, run: Run | None, runs: list[Run]) -> None:
    """The run, live; before there is one, the chart that waits for it."""
    if run is not None:
        panel.show(run, runs_table.names(runs), lambda run_id: choices.set("run", run_id))
        return
    if draft.plan is None or draft.config is None or draft.corpus is None:
        return
    references = corpora.references(draft.data)
    x, log_x = panel.axis_controls()
    panel.loss_chart(
        pd.DataFrame(columns=list(StepRecord.__dataclass_fields__)),
        x=x,
        log_x=log_x,
        steps=draft.plan,
        seconds=forecast.seconds(draft.config, draft.plan, runs),
        references=references,
        architecture=draft.architecture,
    )


shell.page(
    "Train",
    "Choose a model and what it may spend. Every number beside the form is known before anything "
    "runs; the curve then says what the compute bought.",
)
runs, run, draft = load()
left, right = st.columns([5, 8], gap="large")
with left:
    form(draft)
with right:
    bill(draft, runs)
    act(draft, run, runs)
    show(draft, run, runs)
