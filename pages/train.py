"""Train: choose a model and a budget, see the bill, watch the loss fall."""

import pandas as pd
import streamlit as st

from lm.base.records import StepRecord
from lm.runs import Run, forecast
from pages.common import caches, corpora, drafts, links, shell, wording
from pages.common.drafts import Draft
from pages.common.train import bill, curve, form, guess, launch, layout, panel, queue
from pages.common.train.form import CHOICES


def load() -> tuple[list[Run], Run | None, Draft]:
    """All runs, the one that the address names, and the draft."""
    runs = caches.store().list()
    by_id = {run.run_id: run for run in runs}
    came_by_link = CHOICES.read_url({**drafts.parsers(), links.RUN: str})
    wanted = CHOICES.values.get(links.RUN)
    if wanted is not None and wanted not in by_id:
        st.warning(f"There is no run {wording.plain(wanted)} here. It may have been deleted.")
        CHOICES.reset(links.RUN)
    run = by_id.get(CHOICES.values.get(links.RUN, ""))
    if came_by_link and run and set(CHOICES.values) == {links.RUN}:
        form.follow(run)
    CHOICES.write_url()
    return runs, run, drafts.draft(CHOICES.values)


def show(draft: Draft, run: Run | None, runs: list[Run]) -> None:
    """The run, live; before there is one, the chart that waits for it."""
    if run is not None:
        panel.show(run, runs)
        return
    if draft.plan is None or draft.config is None or draft.corpus is None:
        return
    vocab_size = draft.corpus.tokenizer.vocab_size
    left, right = layout.run()
    with left:
        curve.loss_chart(
            pd.DataFrame(columns=list(StepRecord.__dataclass_fields__)),
            draft.plan,
            seconds=forecast.seconds(draft.config, draft.plan, vocab_size, runs),
            references=corpora.references(draft.data),
            architecture=draft.architecture,
            guess=guess.current(),
        )
    with right:
        st.caption("What the model writes as it learns, and its figures, will stand here.")


shell.page(
    "Train",
    "Choose a model and what it may spend. Every number beside the form is known before anything "
    "runs; the curve then says what the compute bought.",
)
runs, run, draft = load()
dials, right, settings = layout.page()
with dials:
    below_budget = form.dials(draft)
with settings:
    form.settings(draft)
if draft.plan and draft.config and draft.corpus:  # while the form is still being read
    caches.jobs().compile_ahead(draft.config, draft.corpus.tokenizer.vocab_size, draft.plan)
with right:
    bill.show(draft, runs)
    launch.act(draft, run, runs)
    queue.show(run, runs)
    show(draft, run, runs)
form.counting(below_budget, draft)
