"""The form of the Train page: settings follow from the budget until the user sets them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
from lm.base.glossary import meaning
from lm.base.settings import Setting, Switch
from lm.datasets import DATASETS
from lm.runs import Run
from lm.runs.presets import DEFAULT, PRESETS
from pages.common import corpora, drafts, forms, links, wording
from pages.common.drafts import Draft

CHOICES = forms.Choices("train")
_MORE_IS_OPEN = "more_is_open"  # which the expander forgets when another page is visited


def follow(run: Run) -> None:
    """Show a run, and set the form as that run is."""
    CHOICES.values.clear()
    CHOICES.values.update({links.RUN: run.run_id, **drafts.choices_of(run.config)})


def change(choices: Mapping[str, Any]) -> None:
    """Change the form; a setting whose value is None follows the preset again."""
    CHOICES.reset(*choices)
    CHOICES.values.update({k: v for k, v in choices.items() if v is not None})


def dials(draft: Draft) -> DeltaGenerator:
    """Architecture, corpus and budget.

    Returns the place below the budget where `counting` says what needs no training.
    """
    architecture = ARCHITECTURES[draft.architecture]
    st.segmented_control(
        "Architecture",
        list(ARCHITECTURES),
        format_func=wording.architecture,
        required=True,
        width="stretch",
        wrap=True,
        **_bound("architecture", architecture.name, shown_by="default"),
    )
    st.caption(architecture.sentence)
    _dataset(draft)
    st.select_slider(
        "**Budget** (training FLOPs)",
        drafts.BUDGETS,
        format_func=flops_text,
        help=f"{meaning('budget')} The number of steps follows from it and, under preset "
        f"{DEFAULT}, so do the model's size and the batch.",
        **_bound("budget", draft.budget),
    )
    return st.empty()


def settings(draft: Draft) -> None:
    """The preset, the basic settings, the rest."""
    suited = [p for p in PRESETS.values() if p.suits(ARCHITECTURES[draft.architecture])]
    names = [preset.name for preset in suited]
    st.radio(
        "Preset",
        names,
        captions=[preset.help for preset in suited],
        **_bound("preset", draft.preset, options=names),
    )
    model, training = drafts.model_settings(draft.architecture), drafts.training_settings()
    every = {**model, **training}
    for setting in every.values():
        if setting.basic and setting.switch is not None:
            _switch(draft, setting, setting.switch)
    basics = [name for name, each in every.items() if each.basic and each.switch is None]
    _controls(draft, every, basics)
    if "more" not in st.session_state:
        st.session_state["more"] = st.session_state.get(_MORE_IS_OPEN, False)
    more = st.expander("More settings", key="more", on_change="rerun")
    st.session_state[_MORE_IS_OPEN] = bool(more.open)
    if more.open:  # thirty controls, which would be drawn anew with every other one
        corpus = drafts.data_settings(draft.data.dataset)
        with more:
            for title, room in {"Corpus": corpus, "Model": model, "Training": training}.items():
                names = [name for name, each in room.items() if each.applies(draft.values)]
                if names := [name for name in names if name not in basics]:
                    st.markdown(f"**{title}**")
                    _controls(draft, room, names)
    dials = ("architecture", "dataset", "budget")
    by_hand = [n for n in CHOICES.values if n in draft.values and n not in dials]
    if by_hand:
        st.button(
            f"Reset all {len(by_hand)} settings" if len(by_hand) > 1 else f"Reset {by_hand[0]}",
            key="reset-all",
            icon=":material/undo:",
            on_click=CHOICES.reset,
            args=tuple(by_hand),
        )


def counting(place: DeltaGenerator, draft: Draft) -> None:
    """Say in `place` which loss n-grams have on this corpus: what a budget has to beat."""
    if draft.plan is None:
        return
    with place:
        references = corpora.references(draft.data)
        scores = [parts["valid"] for parts in corpora.baselines(draft.data).values()]
    if not scores[0].compares_by_loss:
        bits = min(score.bits_per_char for score in scores)
        place.caption(f"Counting, without any training, reaches {bits:.2f} bits per character.")
    elif best := wording.best_of_counting(references):
        name, loss = best
        place.caption(
            f"Counting {name}, without any training, reaches {loss:.2f}.",
            help=f"{meaning('n-gram')} A model is worth its FLOPs where it ends below.",
        )


def _bound(name: str, value: Any, **how: Any) -> dict[str, Any]:
    return forms.bound(name, value, partial(CHOICES.set, name), **how)


def _dataset(draft: Draft) -> None:
    names = corpora.available()
    st.selectbox(
        "Dataset",
        names,
        format_func=lambda name: DATASETS[name].title,
        help="The text to learn from. Those that are not here are fetched on the Data page.",
        **_bound("dataset", draft.data.dataset, options=names),
    )
    texts = list(corpora.uploads())
    if draft.data.text_path is not None:
        st.selectbox(
            "Your text",
            texts,
            format_func=corpora.text_title,
            **_bound("text", Path(draft.data.text_path).name, options=texts),
        )
    if draft.corpus is not None and (about := draft.corpus.about):
        st.caption(wording.several(about))
    missing = [
        dataset.title
        for name, dataset in DATASETS.items()
        if not dataset.needs_path and name not in names
    ]
    if missing:
        st.caption(f"Not here yet: {', '.join(missing)}. The Data page fetches them.")
    if not texts:
        st.caption("A text of your own can be uploaded on the Data page.")


def _switch(draft: Draft, setting: Setting, switch: Switch) -> None:
    """Turn a part of the model on or off; its size stands under "More"."""
    is_set = setting.name in CHOICES.values
    on = draft.values.get(setting.name, setting.default) != switch.off

    def turn(on: bool) -> None:
        change({setting.name: drafts.switched(CHOICES.values, setting, on).get(setting.name)})

    st.toggle(
        f"**{switch.label}**" if is_set else switch.label,
        help=f"{switch.help} More about them stands under More settings. "
        + ("Set by you." if is_set else f"Follows {_follows(draft)}."),
        **forms.bound(f"switch-{setting.name}", on, turn),
    )


def _follows(draft: Draft) -> str:
    """What decides the settings that the user has not set."""
    return "the budget" if PRESETS[draft.preset].follows_budget else f"preset {draft.preset}"


def _controls(draft: Draft, settings: Mapping[str, Setting], names: list[str]) -> None:
    """The settings two in a row."""
    placeholders = {
        "sequence_length": str(draft.values.get("context_length")),
        "threads": "automatic",
    }
    for row in (names[i : i + 2] for i in range(0, len(names), 2)):
        columns = st.columns(2, gap="small", vertical_alignment="bottom")
        for column, name in zip(columns, row, strict=False):
            with column:
                forms.control(
                    settings[name],
                    draft.values.get(name, settings[name].default),
                    CHOICES,
                    name=name,
                    follows=_follows(draft),
                    placeholder=placeholders.get(name, ""),
                )
