"""Links from page to page, and the parameters that they carry in the address.

A function makes each kind of link, and beside it stands the one by which its page reads it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import streamlit as st

from lm.datasets.config import DataConfig
from lm.runs import Run
from pages.common import drafts, forms, shell

RUN = "run"
RUNS_TO_COMPARE = "checked"


@dataclass(frozen=True)
class Link:
    """An address within the program."""

    page: str  # its name in `shell.PAGES`
    query: Mapping[str, str] = field(default_factory=dict)

    def follow(self) -> None:
        """Leave for it; nothing after this call runs."""
        st.switch_page(shell.PAGES[self.page].for_streamlit(), query_params=dict(self.query))

    def show(self, label: str) -> None:
        """Place it on the page, to be clicked."""
        page = shell.PAGES[self.page].for_streamlit()
        st.page_link(page, label=label, query_params=dict(self.query))

    def text(self, base: str) -> str:
        """It as a person copies it; `base` is the address of the page without a query."""
        return f"{base}?{urlencode(self.query, safe=',')}"


def to_train(run: Run) -> Link:
    """The run on the Train page, as it trains or as it trained."""
    return Link("train", {RUN: run.run_id})


def to_train_dataset(data: DataConfig) -> Link:
    """The Train page's form, with this corpus."""
    return Link("train", forms.as_query(drafts.data_choices(data)))


def to_compare(runs: Iterable[Run] = ()) -> Link:
    """The Compare page, with these runs checked; with none named, the best."""
    run_ids = ",".join(run.run_id for run in runs)
    return Link("compare", {RUNS_TO_COMPARE: run_ids} if run_ids else {})


def runs_to_compare() -> list[str]:
    """The ids that the address of the Compare page names."""
    text = st.query_params.get(RUNS_TO_COMPARE, "")
    return [run_id for run_id in text.split(",") if run_id]


def keep_in_address(runs: Sequence[Run]) -> list[str]:
    """Let the address bar of the Compare page name these runs; returns their ids."""
    run_ids = [run.run_id for run in runs]
    if runs_to_compare() != run_ids:
        st.query_params.from_dict(dict(to_compare(runs).query))
    return run_ids


def to_generate(run: Run | None = None) -> Link:
    """The Generate page, with this run to write; with none named, the first."""
    return Link("generate", {RUN: run.run_id} if run else {})


def take_run_to_write() -> str | None:
    """The id that the address of the Generate page names, taken out of it: once is enough."""
    run_id = st.query_params.get(RUN)
    if run_id is not None:
        del st.query_params[RUN]
    return run_id
