"""The form of the Train page: settings follow from the budget until the user sets them."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lm.architectures import ARCHITECTURES
from lm.base.flops import flops_text
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


def dials(draft: Draft) -> DeltaGenerator:
    """Architecture, corpus and budget.

    Returns the place below the budget where `counting` says what needs no training.
    """
    architecture = ARCHITECTURES[draft.architecture]
    names = list(ARCHITECTURES)
    st.segmented_control(
        "Architecture",
        names,
        format_func=wording.architecture,
        required=True,
        width="stretch",
        wrap=True,
        **_bound("architecture", architecture.name, shown_by="default"),
    )
    st.caption(architecture.sentence)
    _dataset(draft)
    _budget(draft)
    return st.empty()


def settings(draft: Draft) -> None:
    """The preset, the basic settings, the rest."""
    _preset(draft)
    model, training = drafts.model_settings(draft.architecture), drafts.training_settings()
    basics = [s for s in {**model, **training}.values() if s.basic]
    for setting in basics:
        if setting.switch is not None:
            _switch(draft, setting, setting.switch)
    basics = [setting.name for setting in basics if setting.switch is None]
    _controls(draft, {**model, **training}, basics)
    if "more" not in st.session_state:
        st.session_state["more"] = st.session_state.get(_MORE_IS_OPEN, False)
    more = st.expander("More settings", key="more", on_change="rerun")
    st.session_state[_MORE_IS_OPEN] = bool(more.open)
    if more.open:  # thirty controls, which would be drawn anew with every other one
        rooms = {
            "Corpus": drafts.data_settings(draft.data.dataset),
            "Model": model,
            "Training": training,
        }
        with more:
            _more(draft, rooms, basics)
    by_hand = [n for n in CHOICES.values if n in draft.values and n not in ("dataset", "budget")]
    by_hand = [n for n in by_hand if n != "architecture"]
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
        return
    if best := wording.best_of_counting(references):
        what, loss = best
        place.caption(
            f"Counting {what}, without any training, reaches {loss:.2f}.",
            help="Nats per token of the validation split, by a table of how often each token "
            "followed the ones before it. A model is worth its FLOPs where it ends below.",
        )


def _more(draft: Draft, rooms: Mapping[str, dict[str, Setting]], basics: list[str]) -> None:
    """The settings that have an effect and no place above, by what they are settings of."""
    for title, settings in rooms.items():
        names = [n for n in settings if n not in basics]  # those with a switch are here too
        names = [n for n in names if settings[n].applies(draft.values)]
        if names:
            st.markdown(f"**{title}**")
            _controls(draft, settings, names)


def _preset(draft: Draft) -> None:
    """The presets that suit the architecture, each with what it is for."""
    suited = [p for p in PRESETS.values() if p.suits(ARCHITECTURES[draft.architecture])]
    names = [preset.name for preset in suited]
    st.radio(
        "Preset",
        names,
        captions=[preset.help for preset in suited],
        **_bound("preset", draft.preset, options=names),
    )


def _bound(name: str, value: Any, **how: Any) -> dict[str, Any]:
    return forms.bound(name, value, functools.partial(CHOICES.set, name), **how)


def _dataset(draft: Draft) -> None:
    names = corpora.available()
    st.selectbox(
        "Dataset",
        names,
        format_func=lambda name: DATASETS[name].title,
        help="The text to learn from. Those that are not here are fetched on the Data page.",
        **_bound("dataset", draft.data.dataset, options=names),
    )
    if draft.data.text_path is not None:
        texts = list(corpora.uploads())
        st.selectbox(
            "Your text",
            texts,
            format_func=corpora.text_title,
            **_bound("text", Path(draft.data.text_path).name, options=texts),
        )
    if draft.corpus is not None and (about := draft.corpus.about):
        st.caption(wording.several(about))
    shared = {name: dataset for name, dataset in DATASETS.items() if not dataset.needs_path}
    missing = [dataset.title for name, dataset in shared.items() if name not in names]
    if missing:
        st.caption(f"Not here yet: {', '.join(missing)}. The Data page fetches them.")
    if not corpora.uploads():
        st.caption("A text of your own can be uploaded on the Data page.")


def _budget(draft: Draft) -> None:
    st.select_slider(
        "**Budget** (training FLOPs)",
        drafts.BUDGETS,
        format_func=flops_text,
        help="What the run may spend, forward and backward and optimizer. The number of steps "
        f"follows from it and, under preset {DEFAULT}, so do the model's size and the batch.",
        **_bound("budget", draft.budget),
    )


def _switch(draft: Draft, setting: Setting, switch: Switch) -> None:
    """What a model has or has not, at one click; how much of it there is stands under "More"."""
    is_set = setting.name in CHOICES.values
    on = draft.values.get(setting.name, setting.default) != switch.off

    def change(on: bool) -> None:
        changed = drafts.switched(CHOICES.values, setting, on)
        CHOICES.reset(setting.name)
        CHOICES.values.update(changed)

    st.toggle(
        f"**{switch.label}**" if is_set else switch.label,
        help=f"{switch.help} More about them stands under More settings. "
        + ("Set by you." if is_set else f"Follows {_follows(draft)}."),
        **forms.bound(f"switch-{setting.name}", on, change),
    )


def _follows(draft: Draft) -> str:
    """What decides the settings that the user has not set."""
    return "the budget" if PRESETS[draft.preset].follows_budget else f"preset {draft.preset}"


def _controls(draft: Draft, settings: Mapping[str, Setting], names: list[str]) -> None:
    """The settings two in a row."""
    for row in (names[i : i + 2] for i in range(0, len(names), 2)):
        for column, name in zip(
            st.columns(2, gap="small", vertical_alignment="bottom"), row, strict=False
        ):
            with column:
                placeholder = {
                    "sequence_length": str(draft.values.get("context_length")),
                    "threads": "automatic",
                }.get(name, "")
                forms.control(
                    settings[name],
                    draft.values.get(name, settings[name].default),
                    CHOICES,
                    name=name,
                    follows=_follows(draft),
                    placeholder=placeholder,
                )
