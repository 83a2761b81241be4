"""JSON from elsewhere, checked member by member as it is taken."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

_SHA256 = re.compile("[0-9a-f]{64}")
MOST_COUNT = 2**61  # the sum of three still fits the 64 bits of a table's column
MOST_NUMBER = 1e300  # short of the largest float, so that sums and products stay finite

T = TypeVar("T", bound=str)
V = TypeVar("V")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 40


class JsonError(ValueError):
    """JSON that is not what it should be; the message says where and how."""


def parse_json(content: bytes) -> Any:
    """The value that some JSON stands for. Raises `JsonError`."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise JsonError(f"is not JSON: {error}") from None
    except RecursionError:
        raise JsonError("is nested too deeply") from None


# --- values -------------------------------------------------------------------------------------


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 to `MOST_COUNT`; true and false are not."""
    return type(value) is int and 0 <= value <= MOST_COUNT


def is_number(value: object) -> bool:
    """Whether a value is a finite number; true and false are not."""
    return (type(value) is float or type(value) is int) and -MOST_NUMBER <= value <= MOST_NUMBER


def is_text(value: object) -> bool:
    """Whether a value is text that can be written as UTF-8."""
    if type(value) is not str:
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:  # half of a character
        return False


# --- objects ------------------------------------------------------------------------------------


class JsonObject:
    """The members of a JSON object, each checked when it is asked for.

    A method raises `JsonError` for a member that is not what is asked for, and for one that is
    missing. Members that nobody asks for may hold anything.
    """

    def __init__(self, values: object, where: str = "") -> None:
        """`where` says in error messages which object it is: "facts", for example."""
        if not isinstance(values, dict):
            raise JsonError(f"{where or 'it'} must be a JSON object. Received: {_cut(values)}.")
        self.values = cast(dict[str, Any], values)
        self.where = where

    def optional(self, take: Callable[[str], V], name: str) -> V | None:
        """What `take`, one of the methods below, gives for `name`; None for null or nothing."""
        return take(name) if self.values.get(name) is not None else None

    def take(self, name: str) -> Any:
        """A member, whatever it is."""
        if name not in self.values:
            raise JsonError(f"{self._path(name)} is missing.")
        return self.values[name]

    def count(self, name: str, *, least: int = 0, most: int = MOST_COUNT) -> int:
        """A whole number."""
        value = self.take(name)
        if type(value) is int and least <= value <= most:
            return value
        raise self._refusal(name, f"a whole number from {least} to {most:.3g}", value)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.take(name)
        if is_number(value):
            return float(value)
        raise self._refusal(name, "a finite number", value)

    def text(self, name: str) -> str:
        """Text, on any number of lines."""
        value = self.take(name)
        if is_text(value):
            return value
        raise self._refusal(name, "text", value)

    def line(self, name: str, most: int = 1_000) -> str:
        """Text on one line, of 1 to `most` characters."""
        value = self.take(name)
        if type(value) is str and 0 < len(value) <= most and value.isprintable():
            return value
        raise self._refusal(name, f"1 to {most:,} characters on one line", value)

    def sha256(self, name: str) -> str:
        """A SHA-256, as 64 hexadecimal digits."""
        value = self.take(name)
        if type(value) is str and _SHA256.fullmatch(value):
            return value
        raise self._refusal(name, "64 hexadecimal digits", value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.take(name)
        if type(value) is bool:
            return value
        raise self._refusal(name, "true or false", value)

    def one_of(self, name: str, choices: Collection[T]) -> T:
        """One of some names."""
        value = self.take(name)
        if type(value) is str and value in choices:
            return cast(T, value)
        raise self._refusal(name, "one of " + ", ".join(choices), value)

    def part(self, name: str) -> JsonObject:
        """An object."""
        return JsonObject(self.take(name), self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def _refusal(self, name: str, rule: str, value: object) -> JsonError:
        return JsonError(f"{self._path(name)} must be {rule}. Received: {_cut(value)}.")


def _cut(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    return _short.repr(value)
