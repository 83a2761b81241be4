"""The buttons that start a run, or restart it with changed settings."""

import itertools

import streamlit as st

from lm.base.flops import flops_text
from lm.base.wording import listed
from lm.runs import Run, presets
from lm.runs.config import RunConfig
from lm.runs.prepare import prepare
from pages.common import caches, drafts, links, phases, wording
from pages.common.drafts import Draft
from pages.common.train import bill, guess
from pages.common.train.form import CHOICES

NAMED = 2  # settings in a run's name, at most


def act(draft: Draft, run: Run | None, runs: list[Run]) -> None:
    """Start the drafted run, or restart the run that the page shows with what has changed."""
    if draft.problem:
        st.error(wording.plain(draft.problem))
    ready = draft.problem is None
    shown = run if run is not None and phases.busy(run) else None  # what can be restarted
    restart = False
    with st.container(horizontal=True, vertical_alignment="bottom", key="start-row"):
        guess.ask(shown is not None)
        start = st.button("Start", type="primary", disabled=not ready, key="start")
        if shown is not None:
            changed = drafts.differences(shown.config, draft.config) if draft.config else []
            label = f"Restart with: {listed(changed, most=2)}" if changed else "Restart"
            restart = st.button(
                wording.plain(label),
                disabled=not ready,
                key="restart",
                help="Stop this run, keeping its checkpoint, and begin anew. The same settings "
                "and seed give the same curve.",
            )
        if ready:
            with st.popover("How the FLOPs add up", key="breakdown"):
                bill.breakdown(draft)
    if not (start or restart) or draft.config is None:
        return
    try:
        fresh = prepare(
            draft.config,
            caches.store(),
            name=_name(draft.config, draft, runs),
            corpus=draft.corpus,
            parent_run_id=shown.run_id if restart and shown else None,
        )
        guess.keep(fresh)
        if restart and shown:
            caches.jobs().stop(shown)
        caches.jobs().start(fresh)
    except (ValueError, OSError) as error:
        st.error(wording.plain(str(error)))
        return
    CHOICES.set(links.RUN, fresh.run_id)
    st.rerun()


def _name(config: RunConfig, draft: Draft, runs: list[Run]) -> str:
    """A name that is not in use: architecture, size, tables, budget, settings made by hand."""
    size = wording.short(draft.n_params).replace(" ", "")
    sized = f"{wording.architecture(config.model.architecture)} {size}"
    parts = [wording.with_tables(sized, draft.n_table_params), flops_text(draft.budget)]
    if config.preset != presets.DEFAULT:
        parts.append(config.preset)
    settings = drafts.model_settings(config.model.architecture) | drafts.training_settings()
    telling = {name for name, setting in settings.items() if setting.tells == "first"}
    telling = (telling | {"learning_rate"}) - {"budget"}  # which stands before them
    by_hand = [(name, value) for name, value in CHOICES.values.items() if name in telling]
    parts += [f"{name} {drafts.value_text(value)}" for name, value in by_hand[:NAMED]]
    name = ", ".join(parts)[:70]
    taken = {run.name for run in runs}
    numbered = (f"{name} ({i})" for i in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)
