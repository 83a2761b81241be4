"""Settings as values: a config is frozen and validated; forms, options and errors follow from it.

Everything that is known about a setting is written once, on its field: range, unit, help, default,
when it has an effect, and how a form shows it. An impossible combination cannot be constructed;
the error is one sentence that names field, rule and value.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from lm.base.registry import must_be_one_of

Values = Mapping[str, Any]
Kind = Literal["int", "float", "bool", "choice", "text"]
Tells = Literal["first", "also", "never"]


class ConfigError(ValueError):
    """A setting that cannot be; the message names the field, the rule and the value received."""


class Config(BaseModel, frozen=True):
    """Base of every config: frozen, closed, and raising `ConfigError` alone."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_explain(type(self), error)) from None

    def replace(self, **values: Any) -> typing.Self:
        """A copy with some settings changed, validated like any other."""
        return type(self)(**{**self.model_dump(), **values})


# --- fields -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A form shows a setting as a switch too: something that a model has, or has not."""

    label: str  # what the switch is called
    help: str  # sentences: what the model has when it is on
    off: Any  # the setting's value where the model has it not
    on: Any  # its value where nothing else says how much of it there is


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What a field says about how it is shown."""

    label: str = ""
    unit: str = ""
    log: bool = False
    basic: bool = False
    step: float | None = None
    tells: Tells = "also"
    switch: Switch | None = None
    applies: Callable[[Values], bool] | None = None


def setting(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    label: str = "",
    unit: str = "",
    log: bool = False,
    basic: bool = False,
    step: float | None = None,
    tells: Tells = "also",
    switch: Switch | None = None,
    applies: Callable[[Values], bool] | None = None,
) -> Any:
    """A field of a config, with all that forms, options and errors say of it.

    Args:
        default: Its value where nothing is given.
        help: A sentence that says what it does.
        ge, gt, le, lt: Its range.
        label: What a form calls it, in plain words; nothing: the words of its name.
        unit: What a number counts.
        log: A form shows it on a logarithmic scale.
        basic: A form shows it first.
        step: What + and - of a form add to it.
        tells: Whether it names runs: "first" those that say most, "never" what changes no result.
        switch: How a form turns it off and on at one click.
        applies: Whether it has an effect, given the settings beside it.
    """
    form = _Form(
        label=label,
        unit=unit,
        log=log,
        basic=basic,
        step=step,
        tells=tells,
        switch=switch,
        applies=applies,
    )
    extra: dict[str, Any] = {"form": form}
    return Field(default, ge=ge, gt=gt, le=le, lt=lt, description=help, json_schema_extra=extra)


@dataclass(frozen=True)
class _Choices:
    """Marks a field whose values are the names in a registry."""

    names: Iterable[str]


def one_of(names: Iterable[str]) -> Any:
    """For `Annotated[str, *one_of(REGISTRY)]`: a field that takes the names there are by then."""

    def check(name: str) -> str:
        if name not in set(names):
            listed = ", ".join(names)
            raise PydanticCustomError(
                "not_one_of", "Input should be one of {listed}", {"listed": listed}
            )
        return name

    return AfterValidator(check), _Choices(names)


# --- what forms and the command line are made from ----------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a config: what a form, an option or an error message needs of it."""

    name: str
    kind: Kind
    default: Any
    optional: bool
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool
    exclusive_maximum: bool
    choices: tuple[str, ...]
    label: str
    unit: str
    help: str
    log: bool
    basic: bool
    step: float | None
    tells: Tells
    switch: Switch | None
    applies: Callable[[Values], bool]

    def allows(self, value: float) -> bool:
        """Whether a number lies in the range."""
        low, high = self.minimum, self.maximum
        above = low is None or value > low or (value == low and not self.exclusive_minimum)
        below = high is None or value < high or (value == high and not self.exclusive_maximum)
        return above and below


def settings(config_class: type[Config]) -> dict[str, Setting]:
    """The settings of a config class by name, in order; fields without a description are none."""
    return {
        name: _setting(name, field)
        for name, field in config_class.model_fields.items()
        if field.description
    }


def _setting(name: str, field: FieldInfo) -> Setting:
    options = [a for a in get_args(field.annotation) if a is not type(None)]
    optional = type(None) in get_args(field.annotation)
    annotation = options[0] if optional else field.annotation
    choices: tuple[str, ...] = ()
    kind: Kind = "text"
    if get_origin(annotation) is Literal:
        kind, choices = "choice", get_args(annotation)
    elif annotation in (int, float, bool):
        kind = typing.cast(Kind, annotation.__name__)
    bound: dict[str, float] = {}
    for rule in field.metadata:
        if isinstance(rule, _Choices):
            kind, choices = "choice", tuple(rule.names)
        for key in ("ge", "gt", "le", "lt"):
            if (value := getattr(rule, key, None)) is not None:
                bound[key] = value
    extra = typing.cast(dict[str, Any], field.json_schema_extra or {})
    form: _Form = extra.get("form") or _Form()
    return Setting(
        name=name,
        kind=kind,
        default=field.default,
        optional=optional,
        minimum=bound.get("ge", bound.get("gt")),
        maximum=bound.get("le", bound.get("lt")),
        exclusive_minimum="gt" in bound,
        exclusive_maximum="lt" in bound,
        choices=choices,
        label=form.label or name.replace("_", " ").capitalize(),
        help=field.description or "",
        unit=form.unit,
        log=form.log,
        basic=form.basic,
        step=form.step,
        tells=form.tells,
        switch=form.switch,
        applies=form.applies or (lambda values: True),
    )


def rule(setting: Setting) -> str:
    """What a value must be, in words: "a whole number from 1 to 64"."""
    if setting.kind == "choice":
        return "one of " + ", ".join(setting.choices)
    if setting.kind == "bool":
        return "true or false"
    if setting.kind == "text":
        return "text"
    noun = "a whole number" if setting.kind == "int" else "a number"
    low, high = setting.minimum, setting.maximum
    if low is None or high is None:
        return noun
    above = "above" if setting.exclusive_minimum else "from"
    below = "below" if setting.exclusive_maximum else "to"
    if setting.exclusive_minimum or setting.exclusive_maximum:
        below = f"and {'up ' if below == 'to' else ''}{below}"
    return f"{noun} {above} {_plain(low)} {below} {_plain(high)}"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == math.floor(value) and abs(value) < 1e10 else f"{value:g}"


# --- errors -------------------------------------------------------------------------------------


def _explain(config_class: type[Config], error: ValidationError) -> str:
    """The first thing that is wrong, as one sentence that a person understands."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    name = ".".join(location)
    settings_by_name = settings(config_class)
    received = f" Received: {first['input']!r}."
    if first["type"] == "value_error":
        cause = str(first.get("ctx", {})["error"])
        return f"{name}.{cause}" if name else cause
    if first["type"] == "extra_forbidden":
        return must_be_one_of(f"{_label(config_class)} setting", name, settings_by_name)
    if len(location) == 1 and name in settings_by_name:
        return f"{name} must be {rule(settings_by_name[name])}.{received}"
    if first["type"] == "missing":
        return f"{name} is missing."
    return f"{name}: {first['msg']}.{received}"


def _label(config_class: type[Config]) -> str:
    return config_class.__name__.removesuffix("Config").lower()
