"""Things of one kind by name: the one place where a new architecture, corpus or command is added.

Whatever offers a choice of them (a form, an option, an error message) asks the registry, so that
a new entry is one line here and none elsewhere.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar


class Named(Protocol):
    """Something with a name of its own."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T]):
    """Entries by their `name`, in the order in which they were added."""

    def __init__(self, kind: str, entries: Iterable[T] = ()) -> None:
        """`kind` says in error messages what is looked for: "dataset", for example."""
        self.kind = kind
        self._entries: dict[str, T] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: T) -> T:
        """Add an entry, last. Raises ValueError if its name is taken."""
        if entry.name in self._entries:
            raise ValueError(f"There is a {self.kind} {entry.name!r} already.")
        self._entries[entry.name] = entry
        return entry

    @contextlib.contextmanager
    def including(self, entry: T) -> Generator[T, None, None]:
        """Within, `entry` is one of the entries."""
        self.add(entry)
        try:
            yield entry
        finally:
            del self._entries[entry.name]

    def __getitem__(self, name: str) -> T:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that comes near to `name`, if one does."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def must_be_one_of(what: str, name: object, names: Iterable[str]) -> str:
    """The sentence for a name that is none of `names`."""
    names = list(names)
    near = did_you_mean(str(name), names)
    hint = f" Did you mean {near}?" if near else ""
    return f"{what} must be one of {', '.join(names)}. Received: {name!r}.{hint}"
