"""A form derived from `lm.base.settings`: values follow a preset until the user sets them.

What the user has set lies in one dictionary of the session, `Choices`, and in the address; every
widget shows either the user's value or the one that follows from the preset. Nothing else is kept,
so that a link holds the user's choices and no more.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lm.base.settings import Setting, rule

URLS_REMEMBERED = 64


@dataclass(frozen=True)
class Choices:
    """What the user has set on one page, by name; it is kept in the session."""

    page: str

    @property
    def values(self) -> dict[str, Any]:
        """The dictionary itself, which changes as the user sets things."""
        return st.session_state.setdefault(f"{self.page}_choices", {})

    @property
    def _written(self) -> deque[dict[str, str]]:
        return st.session_state.setdefault(f"{self.page}_urls", deque(maxlen=URLS_REMEMBERED))

    def read_url(self, parsers: Mapping[str, Callable[[str], Any]]) -> bool:
        """If the visitor came by a link, take its values in place of all others; say whether.

        A parser turns the text of a parameter into its value, or into None for one that cannot be,
        which is left out. An address that this page wrote is no link, though it may arrive late:
        the browser reports the one that it had when a widget moved. It is one when the visitor
        goes back to it.
        """
        url = st.query_params.to_dict()
        if not url or (url in self._written and not _went_back()):
            return False
        named = {name: parsers[name](text) for name, text in url.items() if name in parsers}
        self.values.clear()
        self.values.update({name: value for name, value in named.items() if value is not None})
        return True

    def write_url(self) -> None:
        """Put the choices into the address bar."""
        wanted = as_query(self.values)
        if wanted not in self._written:
            self._written.append(wanted)
        if st.query_params.to_dict() != wanted:
            st.query_params.from_dict(wanted)

    def set(self, name: str, value: Any) -> None:
        """Choose a value."""
        self.values[name] = value

    def reset(self, *names: str) -> None:
        """Forget the user's values of some settings, so that they follow the preset again."""
        for name in names:
            self.values.pop(name, None)


def _went_back() -> bool:
    """Whether the browser's button Back, or Forward, led to this run of the page."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def as_query(values: Mapping[str, Any]) -> dict[str, str]:
    """Values of settings as parameters of an address: what `read_url` reads."""
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.12g}" if isinstance(value, float) else json.dumps(value)


def parse(setting: Setting, text: str) -> Any:
    """The value of a setting from a text in an address or a field; None if it cannot be one."""
    if setting.kind == "choice":
        return text if text in setting.choices else None
    if setting.kind == "bool":
        return {"true": True, "false": False}.get(text.lower())
    try:
        value = int(text) if setting.kind == "int" else float(text)
    except ValueError:
        return None
    return value if setting.allows(value) else None


def bound(
    name: str,
    value: Any,
    on_user_change: Callable[[Any], object],
    *,
    shown_by: str = "value",
    options: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Arguments for the widget `name`: it shows `value`, and calls back when its user changes it.

    `shown_by` is the widget's argument for what it shows at first; a widget that takes an index
    among its `options` gets that. It is never left out: between two quick runs of a page a browser
    may draw a widget without what the session holds for it, and reports its default as set.

    A widget keeps its key while its user alone changes it. When its value has to follow something
    else, it gets a new key: a browser that has not drawn the page anew reports the old value with
    its next click, but for the old key, where it is no change.
    """
    shown: dict[str, Any] = st.session_state.setdefault("values_shown", {})
    generations: dict[str, int] = st.session_state.setdefault("widget_generations", {})
    key = _key(name, generations.get(name, 0))
    if key in st.session_state and st.session_state[key] != value:
        generations[name] = generations.get(name, 0) + 1
        key = _key(name, generations[name])
    shown[key] = value
    at_first: dict[str, Any] = {shown_by: value}
    if options is not None:
        at_first = {"index": options.index(value) if value in options else None}
    return {"key": key, "on_change": _reported, "args": (key, on_user_change), **at_first}


def _key(name: str, generation: int) -> str:
    return f"{name}-{generation}" if generation else name


def _reported(key: str, on_user_change: Callable[[Any], object]) -> None:
    value, shown = st.session_state[key], st.session_state["values_shown"]
    if value != shown[key]:
        shown[key] = value
        on_user_change(value)


def control(
    setting: Setting,
    value: Any,
    choices: Choices,
    *,
    name: str | None = None,
    follows: str = "the preset",
    placeholder: str = "",
) -> None:
    """A labelled widget for one setting, with a reset once it is set by hand.

    Args:
        setting: What it is; range, unit and help come from there.
        value: What it is now, set or followed.
        choices: Where a new value goes.
        name: What the form and the URL call it, where that is not the setting's own name.
        follows: What decides the value while the user does not.
        placeholder: Shown for None.
    """
    name = name or setting.name
    is_set = name in choices.values

    def change(value: Any) -> None:
        if value is None:
            choices.reset(name)
        else:
            choices.set(name, value)

    unit = f", in {setting.unit}" if setting.unit else ""
    common: dict[str, Any] = {
        "label": _label(setting, name, is_set),
        "help": f"{setting.help} {rule(setting)[0].upper()}{rule(setting)[1:]}{unit}. In addresses "
        f"and commands it is `{name}`. " + ("Set by you." if is_set else f"Follows {follows}."),
    }
    options = setting.choices if setting.kind == "choice" else None
    common |= bound(name, _typed(setting, value), change, options=options)
    with st.container(
        horizontal=True, vertical_alignment="bottom", gap="xxsmall", key=f"control-{name}"
    ):
        if setting.kind == "choice":
            st.selectbox(options=setting.choices, **common)
        elif setting.kind == "bool":
            st.checkbox(**common, width="stretch")
        else:
            _number(setting, placeholder, common)
        if is_set:
            st.button(
                "",
                icon=":material/undo:",
                key=f"reset-{name}",
                help=f"Reset {name}: let it follow {follows} again",
                on_click=choices.reset,
                args=(name,),
                type="tertiary",
            )


def _label(setting: Setting, name: str, is_set: bool) -> str:
    """Plain words and, where these are others than its name's, the name as commands have it."""
    label = f"**{setting.label}**" if is_set else setting.label
    return label if _letters(setting.label) == _letters(name) else f"{label} · `{name}`"


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _typed(setting: Setting, value: Any) -> Any:
    """A value as a widget for numbers wants it: whole numbers as int, all others as float."""
    kind = {"int": int, "float": float}.get(setting.kind)
    return value if kind is None or value is None else kind(value)


def _number(setting: Setting, placeholder: str, common: dict[str, Any]) -> None:
    kind = int if setting.kind == "int" else float
    low = None if setting.minimum is None or setting.exclusive_minimum else kind(setting.minimum)
    high = None if setting.maximum is None or setting.exclusive_maximum else kind(setting.maximum)
    if setting.kind == "int":
        step: float = int(setting.step or 1)
        style = "%d"
    else:
        step = setting.step or (0.001 if setting.log else 0.01)
        style = "%g"
    optional = {"placeholder": placeholder} if setting.optional else {}
    st.number_input(min_value=low, max_value=high, step=step, format=style, **optional, **common)
