"""Sorts: what a field's values are. A protocol declares value sorts and index sorts; the others are the engine's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True)
class Sort:
    """What values a field has. Two sorts with one name are the same sort."""

    name: str


BOOL = Sort("Bool")
"""Yes or no."""
LOCATION = Sort("Location")
"""Where a process is: the engine's."""
COUNT = Sort("Count")
"""How often something has happened: the engine's."""
WATCH = Sort("Watch")
"""Which answer a process is on the look-out for: the engine's."""


@dataclass(frozen=True)
class ValueSort(Sort):
    """Values of which a step can ask only whether they are equal. The first ones are *constants*, which a step can
    write down by their numbers; all others are interchangeable. How many there are says a bound."""

    constants: tuple[str, ...] = field(default=(), compare=False)
    """The constants' names, such as `MADE_UP`."""
    bound: str = field(default="", compare=False)
    """The bound that says how many others there are."""
    counted: int = field(default=0, compare=False)
    """How many of the constants the bound counts too."""
    shown: str = field(default="{}", compare=False)
    """How a value that is no constant is told, by its number from 1 on: `c{}`."""

    def __post_init__(self) -> None:
        if not self.constants:
            raise ValueError(f"sort {self.name}: it needs a constant, for the value that fields have at first")

    @property
    def first(self) -> int:
        """The number of the first value that is no constant."""
        return len(self.constants)

    def show(self, value: int) -> str:
        """A value in words."""
        if value < self.first:
            return self.constants[value].lower().replace("_", " ")
        return self.shown.format(value - self.first + 1)


@dataclass(frozen=True)
class Kind:
    """A kind of an index sort's elements: its name, the bound that says how many there are, how one is told."""

    name: str
    bound: str
    shown: str


@dataclass(frozen=True)
class IndexSort(Sort, Generic[K]):
    """What maps are over; `K` is what a step takes an element for. Each element is of one kind, and interchangeable
    with the others of its kind. A step can ask an element `k` for a kind after the first by its name, as in
    `k.removable`."""

    kinds: tuple[Kind, ...] = field(default=(), compare=False)

    @property
    def predicates(self) -> tuple[str, ...]:
        """The kinds that a step can ask for. The first kind is that of an element which is of none of them."""
        return tuple(kind.name for kind in self.kinds[1:])

    def element(self, index: int, kind: str = "") -> Element:
        """An element; of the first kind unless one is named."""
        return Element(self, index, kind or self.kinds[0].name)


@dataclass(frozen=True, slots=True)
class Element:
    """An element of an index sort: its number and its kind. For each predicate of the sort it has an attribute."""

    sort: IndexSort[Any]
    index: int
    kind: str

    def __getattr__(self, name: str) -> bool:
        if name.startswith("__") or name not in self.sort.predicates:
            raise AttributeError(f"a {self.sort.name} has no `{name}`")
        return self.kind == name

    def __str__(self) -> str:
        return next(kind.shown for kind in self.sort.kinds if kind.name == self.kind).format(self.index)
