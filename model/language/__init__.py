"""The language that steps are written in: connectives, maps over slots, records, and the step itself.

A step is a short straight-line function over the shared state `s` and the process's own locals `me`.
It runs on any *carrier*: an object with the `Cells` protocol below that keeps the fields' values. The
concrete carrier (`confsync.model.engine.concrete`) keeps plain Python values, the probing one (`confsync.model.engine.footprint`)
keeps none and notes what was touched, and a symbolic one keeps terms. Nothing here knows which it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, Protocol, Self, TypeVar, cast, overload


class LanguageError(Exception):
    """A step, an operation or a design says something the language has no meaning for."""


class Sort(Enum):
    """What a field's values are. `LOCATION` and `COUNT` belong to the engine, not to steps."""

    BOOL = "Bool"
    CONFIG = "Config"
    NAME = "Name"
    AMOUNT = "Amount"
    SLOT = "Slot"
    LOCATION = "Location"
    COUNT = "Count"
    WATCH = "Watch"


class Term(ABC):
    """A value that is not a plain Python value: a symbolic carrier's, or the probe's."""

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise LanguageError(
            "a step must not branch on state: write `neg(a)`, `all_of(a, b)`, `any_of(a, b)`, `implies(a, b)` or "
            "`either(condition, a, b)` instead of not, and, or, if, while and chained comparisons"
        )

    @abstractmethod
    def neg(self) -> Term: ...

    @abstractmethod
    def both(self, other: Bool) -> Term: ...

    @abstractmethod
    def either(self, a: Any, b: Any) -> Term:
        """`a` where this condition holds, else `b`; they may be plain values."""

    @abstractmethod
    def one_more(self) -> Term:
        """The count after this one."""


Bool = bool | Term
ABSENT, EMPTY, MADE_UP = 0, 1, 2
FIRST_CONFIG = 3
Config = int | Term
"""A slot's configuration: ABSENT (nothing there), EMPTY (a drive without a medium), MADE_UP (what a degraded
retrieve invents), or one of the configurations a user may give."""
Name = int | Term
Amount = int | Term


@dataclass(frozen=True, slots=True)
class ConcreteSlot:
    """A guest-visible index (vdev, devid): where a device can be. Ejectable ones hold a drive for a medium."""

    index: int
    ejectable: bool


class SymbolicSlot(Protocol):
    @property
    def ejectable(self) -> Bool: ...


Slot = ConcreteSlot | SymbolicSlot
T = TypeVar("T", bool, int)


def neg(condition: Bool) -> Bool:
    return condition.neg() if isinstance(condition, Term) else not condition


def all_of(*conditions: Bool) -> Bool:
    total: Bool = True
    for c in conditions:
        if isinstance(total, Term):
            total = total.both(c)
        elif isinstance(c, Term):
            total = c.both(total)
        else:
            total = total and c
    return total


def any_of(*conditions: Bool) -> Bool:
    return neg(all_of(*map(neg, conditions)))


def implies(a: Bool, b: Bool) -> Bool:
    return neg(all_of(a, neg(b)))


def either(condition: Bool, a: T | Term, b: T | Term) -> T | Term:
    """`a` where the condition holds, else `b`. Both are evaluated: there is no branch."""
    if isinstance(condition, Term):
        return condition.either(a, b)
    return a if condition else b


def one_more(count: int | Term) -> int | Term:
    """The count after this one: the engine's, no step counts."""
    return count.one_more() if isinstance(count, Term) else count + 1


@dataclass(frozen=True, slots=True)
class Pointwise:
    """A map on slots given by what it says of each: assign it to a field."""

    at: Callable[[Slot], Any]


def pointwise(at: Callable[[Slot], Config | Bool]) -> Pointwise:
    """The map that takes each slot to `at(slot)`."""
    return Pointwise(at)


class Cells(Protocol):
    """What a carrier gives: the fields' values, and what a guard means."""

    def read(self, field: Field) -> Any: ...
    def write(self, field: Field, value: Any) -> None: ...
    def read_at(self, field: Field, slot: Slot) -> Any: ...
    def write_at(self, field: Field, slot: Slot, value: Any) -> None: ...
    def write_all(self, field: Field, at: Callable[[Slot], Any]) -> None: ...
    def look_behind(self, field: Field, slot: Slot) -> Config:
        """The configuration behind an opaque entry: for ghosts and properties, never for steps."""
        ...

    def wait_until(self, condition: Bool) -> None: ...
    def fail_if(self, condition: Bool) -> None: ...


class Record:
    """A state with named fields, kept by a carrier. Fields are declared once, in `confsync.model.libxl.state`."""

    __slots__ = ("cells",)
    cells: Cells

    def __init__(self, cells: Cells) -> None:
        object.__setattr__(self, "cells", cells)

    def __setattr__(self, name: str, value: object) -> None:
        if not isinstance(getattr(type(self), name, None), Field | behind):
            raise LanguageError(f"there is no field `{name}`; the fields are {', '.join(self.fields())}")
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise LanguageError(f"there is no field `{name}`; the fields are {', '.join(self.fields())}")

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """The declared fields by name, in the order of their declaration."""
        found = {n: f for c in reversed(cls.__mro__) for n, f in vars(c).items()}
        return {n: f for n, f in found.items() if isinstance(f, Field)}


class Field:
    """One place of a record. A *ghost* is kept for the properties; steps may not touch it."""

    def __init__(self, doc: str, sort: Sort, *, per_slot: bool = False, ghost: bool = False) -> None:
        self.name = ""
        self.record = ""
        self.sort, self.per_slot, self.ghost = sort, per_slot, ghost
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.record = name, owner.__name__

    def __repr__(self) -> str:
        return f"{self.record}.{self.name}"


class _Scalar(Field):
    def __set__(self, record: Record, value: Any) -> None:
        record.cells.write(self, value)


class flag(_Scalar):
    """A yes or no."""

    def __init__(self, doc: str, *, ghost: bool = False) -> None:
        super().__init__(doc, Sort.BOOL, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Bool: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Bool:
        return self if record is None else cast(Bool, record.cells.read(self))


class value(_Scalar):
    """A value of one of the sorts: a configuration, a name, an amount, a count."""

    def __init__(self, doc: str, sort: Sort, *, ghost: bool = False) -> None:
        super().__init__(doc, sort, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> int | Term: ...
    def __get__(self, record: Record | None, owner: type) -> Self | int | Term:
        return self if record is None else cast("int | Term", record.cells.read(self))


class slot(_Scalar):
    """A slot, such as an operation's argument."""

    def __init__(self, doc: str) -> None:
        super().__init__(doc, Sort.SLOT)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Slot: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Slot:
        return self if record is None else cast(Slot, record.cells.read(self))


class _Map(Field):
    def __set__(self, record: Record, source: _View | Pointwise) -> None:
        if isinstance(source, Pointwise):
            record.cells.write_all(self, source.at)
        elif isinstance(source, Entries):
            source.refuse()
        elif isinstance(source, Configs | Flags | Behind):
            record.cells.write_all(self, source.__getitem__)
        else:
            raise LanguageError(f"{self!r} is a map: assign another map, or pointwise(...)")


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    field: Field
    cells: Cells

    def _raw(self, k: Slot) -> Any:
        return self.cells.read_at(self.field, k)

    def __repr__(self) -> str:
        return f"the map {self.field!r}"

    def _compare(self, _: object) -> bool:
        raise LanguageError(f"{self.field!r} is a map: compare what two maps hold at a slot")

    __eq__ = __ne__ = _compare
    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Any:
        raise LanguageError(f"{self.field!r} has no first slot and no last: use pointwise(lambda k: ...)")

    def __len__(self) -> int:
        raise LanguageError(
            f"{self.field!r} has no length, there can be any number of slots: use pointwise(lambda k: ...)"
        )


class Configs(_View):
    """A map from slots to configurations."""

    def __getitem__(self, k: Slot) -> Config:
        return cast(Config, self._raw(k))

    def __setitem__(self, k: Slot, config: Config) -> None:
        self.cells.write_at(self.field, k, config)


class Flags(_View):
    """A map from slots to yes or no."""

    def __getitem__(self, k: Slot) -> Bool:
        return cast(Bool, self._raw(k))

    def __setitem__(self, k: Slot, yes: Bool) -> None:
        self.cells.write_at(self.field, k, yes)


class Entry:
    """What a process can learn of a device in xenstore: that it is there, and whether it is empty (J3)."""

    __slots__ = ("_config", "_of")

    def __init__(self, config: Config, of: Entries) -> None:
        self._config, self._of = config, of

    @property
    def present(self) -> Bool:
        return self._config != ABSENT

    @property
    def empty(self) -> Bool:
        return self._config == EMPTY

    def refuse(self, *_: object) -> Any:
        """It is no value: it can't be compared, copied or taken for a condition."""
        self._of.refuse()

    __bool__ = __eq__ = __ne__ = refuse
    __hash__ = None  # type: ignore[assignment]


class Entries(_View):
    """A map from slots to xenstore entries: written with a configuration, read as an `Entry`."""

    def __getitem__(self, k: Slot) -> Entry:
        return Entry(cast(Config, self._raw(k)), self)

    def refuse(self) -> NoReturn:
        """Nothing but whether it is there, and empty, can be learned of an entry."""
        raise LanguageError(
            f"a configuration can't be rebuilt from xenstore: of an entry of {self.field!r}, ask whether it is "
            "`.present` or `.empty`"
        )

    def __setitem__(self, k: Slot, config: Config) -> None:
        self.cells.write_at(self.field, k, config)


class Behind(_View):
    """The configurations behind a map of entries: a ghost's view."""

    def __getitem__(self, k: Slot) -> Config:
        return self.cells.look_behind(self.field, k)


class config_map(_Map):
    """A configuration for each slot."""

    def __init__(self, doc: str, *, ghost: bool = False) -> None:
        super().__init__(doc, Sort.CONFIG, per_slot=True, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Configs: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Configs:
        return self if record is None else Configs(self, record.cells)


class flag_map(_Map):
    """A yes or no for each slot."""

    def __init__(self, doc: str, *, ghost: bool = False) -> None:
        super().__init__(doc, Sort.BOOL, per_slot=True, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Flags: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Flags:
        return self if record is None else Flags(self, record.cells)


class entry_map(_Map):
    """A xenstore entry for each slot."""

    def __init__(self, doc: str) -> None:
        super().__init__(doc, Sort.CONFIG, per_slot=True)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Entries: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Entries:
        return self if record is None else Entries(self, record.cells)


class behind:
    """The configurations behind an `entry_map`: no field of its own, a ghost's view of one."""

    def __init__(self, entries: entry_map) -> None:
        self.entries = entries

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Behind: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Behind:
        return self if record is None else Behind(self.entries, record.cells)

    def __set__(self, record: Record, source: object) -> None:
        raise LanguageError(
            f"`{self.name}` is no place of its own: it is what stands behind {self.entries!r}, assign that"
        )
