"""Records: a state's named fields, kept by a carrier; and the carrier's interface.

A step is a short straight-line function over the shared state `s` and the process's own locals `me`, two records.
It runs on any *carrier*: an object with the `Cells` protocol below that keeps the fields' values. The concrete
carrier (`confsync.model.engine.concrete`) keeps plain Python values, the probing one
(`confsync.model.engine.footprint`) keeps none and notes what was touched, and a symbolic one keeps terms. Nothing
here knows which it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NoReturn, Protocol, Self, TypeVar, cast, overload

from confsync.model.language.sorts import BOOL, COUNT, LOCATION, WATCH, IndexSort, Sort, ValueSort
from confsync.model.language.terms import Bool, LanguageError, Term

K = TypeVar("K")
"""What a step takes an element of an index sort for."""
Index = Any
"""An element of an index sort, as the carrier in use has it: a protocol says what a step can ask of one."""


@dataclass(frozen=True, slots=True)
class Pointwise:
    """A map given by what it says of each element: assign it to a field."""

    at: Callable[[Index], Any]


def pointwise(at: Callable[[Index], int | Bool]) -> Pointwise:
    """The map that takes each element `k` to `at(k)`."""
    return Pointwise(at)


class Cells(Protocol):
    """What a carrier gives: the fields' values, and what a guard means."""

    def read(self, field: Field) -> Any: ...
    def write(self, field: Field, value: Any) -> None: ...
    def read_at(self, field: Field, k: Index) -> Any: ...
    def write_at(self, field: Field, k: Index, value: Any) -> None: ...
    def write_all(self, field: Field, at: Callable[[Index], Any]) -> None: ...
    def look_behind(self, field: Field, k: Index) -> int | Term:
        """The value behind an opaque entry: for ghosts and properties, never for steps."""
        ...

    def wait_until(self, condition: Bool) -> None: ...
    def fail_if(self, condition: Bool) -> None: ...


class Record:
    """A state with named fields, kept by a carrier. A protocol declares each of its records once, as a class."""

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
    """One place of a record. A *ghost* is kept for the properties; steps may not touch it. A map is `over` an index
    sort."""

    def __init__(self, doc: str, sort: Sort, *, over: IndexSort[Any] | None = None, ghost: bool = False) -> None:
        self.name = ""
        self.record = ""
        self.sort, self.over, self.ghost = sort, over, ghost
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
        super().__init__(doc, BOOL, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Bool: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Bool:
        return self if record is None else cast(Bool, record.cells.read(self))


class value(_Scalar):
    """A value of a sort that is neither yes or no nor an index."""

    def __init__(self, doc: str, sort: Sort, *, ghost: bool = False) -> None:
        super().__init__(doc, sort, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> int | Term: ...
    def __get__(self, record: Record | None, owner: type) -> Self | int | Term:
        return self if record is None else cast("int | Term", record.cells.read(self))


class count(value):
    """How often something has happened that no operation does: at most as often as the bound of the same name says."""

    def __init__(self, doc: str) -> None:
        super().__init__(doc, COUNT)


class element(_Scalar, Generic[K]):
    """An element of an index sort, such as an operation's argument."""

    def __init__(self, doc: str, sort: IndexSort[K]) -> None:
        super().__init__(doc, sort)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> K: ...
    def __get__(self, record: Record | None, owner: type) -> Self | K:
        return self if record is None else cast(K, record.cells.read(self))


class _Map(Field, Generic[K]):
    over: IndexSort[K]

    def __init__(self, doc: str, over: IndexSort[K], sort: Sort, *, ghost: bool = False) -> None:
        super().__init__(doc, sort, over=over, ghost=ghost)

    def __set__(self, record: Record, source: _View[K] | Pointwise) -> None:
        if isinstance(source, Pointwise):
            record.cells.write_all(self, source.at)
        elif isinstance(source, Entries):
            source.refuse()
        elif isinstance(source, Values | Flags | Behind):
            if source.field.over != self.over:
                raise LanguageError(f"{self!r} and {source!r} are not over one index sort")
            record.cells.write_all(self, source.__getitem__)
        else:
            raise LanguageError(f"{self!r} is a map: assign another map, or pointwise(...)")


@dataclass(frozen=True, slots=True, eq=False)
class _View(Generic[K]):
    field: _Map[K]
    cells: Cells

    def _raw(self, k: K) -> Any:
        return self.cells.read_at(self.field, k)

    def __repr__(self) -> str:
        return f"the map {self.field!r}"

    def _compare(self, _: object) -> bool:
        raise LanguageError(f"{self.field!r} is a map: compare what two maps hold at a {self._one}")

    __eq__ = __ne__ = _compare
    __hash__ = None  # type: ignore[assignment]

    @property
    def _one(self) -> str:
        """What an element is called."""
        return self.field.over.name.lower()

    def __iter__(self) -> Any:
        raise LanguageError(f"{self.field!r} has no first {self._one} and no last: use pointwise(lambda k: ...)")

    def __len__(self) -> int:
        raise LanguageError(
            f"{self.field!r} has no length, there can be any number of {self._one}s: use pointwise(lambda k: ...)"
        )


class Values(_View[K]):
    """A map to values of a sort."""

    def __getitem__(self, k: K) -> int | Term:
        return cast("int | Term", self._raw(k))

    def __setitem__(self, k: K, value: int | Term) -> None:
        self.cells.write_at(self.field, k, value)


class Flags(_View[K]):
    """A map to yes or no."""

    def __getitem__(self, k: K) -> Bool:
        return cast(Bool, self._raw(k))

    def __setitem__(self, k: K, yes: Bool) -> None:
        self.cells.write_at(self.field, k, yes)


class Opaque:
    """What a process can learn of an entry that it cannot read: what a subclass has as properties, and no more."""

    __slots__ = ("_of", "_value")
    questions: ClassVar[tuple[str, ...]] = ()
    """What can be asked of an entry: the names of the properties."""
    reason: ClassVar[str] = "the value cannot be read"
    """Why no more can be learned."""

    def __init__(self, value: int | Term, of: Entries[Any, Any]) -> None:
        self._value, self._of = value, of

    @classmethod
    def asks(cls) -> str:
        """What can be asked, in words."""
        return " or ".join(f"`.{question}`" for question in cls.questions)

    def refuse(self, *_: object) -> Any:
        """It is no value: it can't be compared, copied or taken for a condition."""
        self._of.refuse()

    __bool__ = __eq__ = __ne__ = refuse
    __hash__ = None  # type: ignore[assignment]


E = TypeVar("E", bound=Opaque)


class Entries(_View[K], Generic[K, E]):
    """A map to opaque entries: written with a value, read as what can be learned of it."""

    def __getitem__(self, k: K) -> E:
        assert isinstance(self.field, opaque_map)
        return cast(E, self.field.view(self._raw(k), self))

    def refuse(self) -> NoReturn:
        """Nothing but what the view has can be learned of an entry."""
        assert isinstance(self.field, opaque_map)
        view = self.field.view
        raise LanguageError(f"{view.reason}: of an entry of {self.field!r}, ask whether it is {view.asks()}")

    def __setitem__(self, k: K, value: int | Term) -> None:
        self.cells.write_at(self.field, k, value)


class Behind(_View[K]):
    """The values behind a map of opaque entries: a ghost's view."""

    def __getitem__(self, k: K) -> int | Term:
        return self.cells.look_behind(self.field, k)


class value_map(_Map[K]):
    """A value for each element of an index sort."""

    def __init__(self, doc: str, over: IndexSort[K], sort: ValueSort, *, ghost: bool = False) -> None:
        super().__init__(doc, over, sort, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Values[K]: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Values[K]:
        return self if record is None else Values(self, record.cells)


class flag_map(_Map[K]):
    """A yes or no for each element of an index sort."""

    def __init__(self, doc: str, over: IndexSort[K], *, ghost: bool = False) -> None:
        super().__init__(doc, over, BOOL, ghost=ghost)

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Flags[K]: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Flags[K]:
        return self if record is None else Flags(self, record.cells)


class opaque_map(_Map[K], Generic[K, E]):
    """An entry for each element of an index sort, of which a process can learn what `view` has."""

    def __init__(self, doc: str, over: IndexSort[K], sort: ValueSort, view: type[E]) -> None:
        super().__init__(doc, over, sort)
        self.view = view

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Entries[K, E]: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Entries[K, E]:
        return self if record is None else Entries(self, record.cells)


class behind(Generic[K]):
    """The values behind an `opaque_map`: no field of its own, a ghost's view of one."""

    def __init__(self, entries: opaque_map[K, Any]) -> None:
        self.entries = entries

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: Record, owner: type) -> Behind[K]: ...
    def __get__(self, record: Record | None, owner: type) -> Self | Behind[K]:
        return self if record is None else Behind(self.entries, record.cells)

    def __set__(self, record: Record, source: object) -> None:
        raise LanguageError(
            f"`{self.name}` is no place of its own: it is what stands behind {self.entries!r}, assign that"
        )


class LocalRecord(Record):
    """A record of what a process has to itself: a protocol's local record is a subclass. Its guards are the
    process's."""

    __slots__ = ()

    at = value("the location: which step comes next; 0 is idle", LOCATION)
    watch = value("which answer it is on the look-out for, if any (0: none)", WATCH, ghost=True)

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """As of any record; the location comes first, and the look-out last."""
        found = super().fields()
        watch = found.pop("watch")
        return found | {"watch": watch}

    def waits_until(self, condition: Bool) -> None:
        """Guard: the step is not enabled until the condition holds."""
        self.cells.wait_until(condition)

    def fails_if(self, condition: Bool) -> None:
        """Guard: where the condition holds the operation gives up here and cleans up."""
        self.cells.fail_if(condition)
