"""The settings of a configuration file while they are read: each is taken once, and what is left is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from confsync.impl.command.xl_syntax import Setting, Value
from confsync.impl.errors import InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import Json

T = TypeVar("T")


class Settings:
    """The settings that nobody has taken yet, and the template's value that comes of those that were."""

    def __init__(self, given: Mapping[str, Setting], source: str) -> None:
        self._left = dict(given)
        self._lines = {key: setting.line for key, setting in given.items()}
        self._source = source
        self.value: dict[str, Json] = {}
        self.notes: list[str] = []
        """What whoever wrote the file should know."""

    @property
    def left(self) -> tuple[str, ...]:
        """The keys that nobody has taken."""
        return tuple(self._left)

    def has(self, key: str) -> bool:
        """True if the key is given, and nobody has taken it."""
        return key in self._left

    def is_list(self, key: str) -> bool:
        """True if the key is given as a list, and nobody has taken it."""
        return key in self._left and isinstance(self._left[key].value, list)

    def take(self, key: str, read: Callable[[Value], T]) -> T | None:
        """What the key is set to, None if it is not given. MalformedConfiguration: the reader refuses the value, or
        `+=` adds to a number."""
        setting = self._left.pop(key, None)
        if setting is None:
            return None
        try:
            found = read(setting.value)
        except InvalidArgument as e:
            raise self.wrong(key, str(e)) from None
        if setting.added and (isinstance(found, int) or found in ("True", "False")):
            raise self.wrong(key, "a number cannot be added to with +=")
        return found

    def wrong(self, key: str, reason: str) -> MalformedConfiguration:
        """The error that a key is set to what it cannot be."""
        return MalformedConfiguration(self._source, f"line {self._lines[key]}", f"`{key}`: {reason}")

    def put(self, place: tuple[str, ...], found: Json) -> None:
        """Set a field of the template's value, by its names from the outside."""
        folder = self.value
        for name in place[:-1]:
            inner = folder.setdefault(name, {})
            assert isinstance(inner, dict)
            folder = inner
        folder[place[-1]] = found

    def found(self, place: tuple[str, ...]) -> Json:
        """A field of the template's value, None if it is not set."""
        at: Json = self.value
        for name in place:
            at = at.get(name) if isinstance(at, dict) else None
        return at
