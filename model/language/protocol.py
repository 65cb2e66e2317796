"""Protocols and designs: a protocol is all that an engine may know, a design is a choice of orders of steps for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from confsync.model.language.bounds import Bounds
from confsync.model.language.properties import OF_OBSERVER, Property, Slice
from confsync.model.language.records import Field, LocalRecord, Record
from confsync.model.language.sorts import Element, IndexSort, ValueSort
from confsync.model.language.step import Operation, Step
from confsync.model.language.terms import Bool, LanguageError


@dataclass(frozen=True, slots=True)
class Signature:
    """What an operation is asked with, and what it must touch to do what its name says."""

    words: str
    takes: tuple[str, ...] = ()
    """The locals that it is given."""
    of_kind: tuple[tuple[str, str], ...] = ()
    """Of an element that it is given, which kind it is: pairs of a local and a kind."""
    first: tuple[str, ...] = ()
    """Locals that have their sort's first value as it begins."""
    writes: tuple[str, ...] = ()
    """Shared fields that its steps must write: an operation that does not is no such operation."""
    told: str = ""
    """How a call is told: a pattern of its arguments, such as `write {value} to {key}`."""

    def kind(self, argument: str) -> str:
        """The kind of element that an argument is; "" if it takes no such argument, or one of any kind."""
        return dict(self.of_kind).get(argument, "")

    @property
    def known(self) -> frozenset[str]:
        """The locals that have a value as it begins."""
        return frozenset((*self.takes, *self.first))


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock: the shared flag that says it is taken, the local one that says who holds it, and its name in stories."""

    taken: str
    held: str
    words: str


@dataclass(frozen=True, slots=True)
class Ghosts:
    """What the ghosts do. They follow from what a step touched, so no step mentions them."""

    follow: Callable[[Signature, frozenset[str]], Callable[[Any, Any], None]] = lambda _signature, _writes: _nothing
    """After a step that writes these shared fields."""
    gives_up: Callable[[Signature, frozenset[str]], Callable[[Any, Any], None]] = lambda _signature, _written: _nothing
    """Where an operation fails or is refused; its steps so far have written these shared fields."""
    dies: Callable[[Signature], Callable[[Any, Any], None]] = lambda _signature: _nothing
    """Where a process dies."""


def _nothing(_s: Any, _me: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Observer:
    """The operation that answers, and what its answer is about.

    `answer`: for each local that it returns, the shared field that this is the answer about; of an opaque map, what is
    behind it. `exists`: the shared flag that says there is something to observe. `recreates`: the operation that makes
    the same anew from an answer. `subject`: what is observed, in words.
    """

    operation: str
    answer: Mapping[str, str]
    exists: str
    recreates: str
    subject: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """An operation run alone, and what is so afterwards, by what is expected in words.

    `after`: the scenario it comes after; "" for none, the initial state. `given`: its arguments; an element by its
    number.
    """

    name: str
    operation: str
    expects: Mapping[str, Callable[[Any], object]]
    after: str = ""
    given: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contract:
    """What each operation does, alone, in a healthy system: scenarios within bounds."""

    bounds: Bounds
    scenarios: tuple[Scenario, ...]


@dataclass(frozen=True)
class Difference:
    """Two shared states in words, place by place: a field's name, or `field[element]` of a map."""

    before: Mapping[str, str | bool]
    after: Mapping[str, str | bool]
    elements: tuple[str, ...]
    varies: frozenset[str]
    """The fields that have more than one value within the bounds."""

    @cached_property
    def changed(self) -> dict[str, tuple[str | bool, str | bool]]:
        """What was at each place that changed, and what is there now."""
        return {place: (was, self.after[place]) for place, was in self.before.items() if was != self.after[place]}


@dataclass(frozen=True, slots=True)
class Words:
    """How a protocol's runs are told. Each default tells fields by their names."""

    changes: Callable[[Difference], Iterable[str]] = lambda d: (f"{at}: {a} -> {b}" for at, (a, b) in d.changed.items())
    """What a step changed."""
    answer: Callable[[Mapping[str, str | Mapping[str, str]]], str] = lambda told: ", ".join(_place_by_place(told))
    """An answer, or a map that an operation is given: its fields, a map's element by element."""
    standing: Callable[[Difference], Iterable[str]] = lambda d: (f"{at}: {said}." for at, said in d.after.items())
    """What stands where in the state after, in sentences."""
    legend: Callable[[Bounds], Iterable[str]] = lambda _: ()
    """What the names in a story stand for."""


def _place_by_place(told: Mapping[str, str | Mapping[str, str]]) -> Iterator[str]:
    for field_name, said in told.items():
        if isinstance(said, str):
            yield f"{field_name}: {said}"
        else:
            yield from (f"{field_name}[{k}]: {value}" for k, value in said.items())


@dataclass(frozen=True, eq=False)
class Protocol:
    """What an engine takes: state, operations, environment, properties. Engines know no protocol but by this value."""

    name: str
    shared: type[Record]
    local: type[LocalRecord]
    bounds: type[Bounds]
    operations: Mapping[str, Signature]
    properties: Mapping[str, Property]
    may_be_asked: Callable[[Signature, Any, Any], Bool] = lambda _signature, _me, _k: True
    """What holds of an operation's arguments as it begins, at each element: beside that each is of its kind."""
    locks: tuple[Lock, ...] = ()
    crashes: str = "crashes"
    """The counter of deaths."""
    ghosts: Ghosts = field(default_factory=Ghosts)
    observer: Observer | None = None
    declared_slices: tuple[Slice, ...] = ()
    contract: Contract | None = None
    small: tuple[Bounds, ...] = ()
    """Small bounds that together show what a design can do: a prover tries candidate lemmas there before it proves
    any."""
    words: Words = field(default_factory=Words)

    def __post_init__(self) -> None:
        """LanguageError if a name is of two fields, for a field is known by its name; or if there is no observer and a
        property is about what one answers."""
        if twice := sorted(self.shared_fields.keys() & self.local_fields.keys()):
            raise LanguageError(f"protocol {self.name}: `{twice[0]}` is a field of both records: rename one of them")
        of_observer = [p.name for p in self.properties.values() if isinstance(p, OF_OBSERVER)]
        if of_observer and not self.observer:
            raise LanguageError(
                f"protocol {self.name}: `{of_observer[0]}` is about what an observer answers, and there is no observer"
            )

    @cached_property
    def bits(self) -> dict[str, int]:
        """Each property's bit in a mask."""
        return {name: 1 << i for i, name in enumerate(self.properties)}

    @cached_property
    def shared_fields(self) -> dict[str, Field]:
        return self.shared.fields()

    @cached_property
    def local_fields(self) -> dict[str, Field]:
        return self.local.fields()

    @cached_property
    def index_sorts(self) -> tuple[IndexSort[Any], ...]:
        """The index sorts that some field is of, or over."""
        found = [sort for f in self._fields() for sort in (f.over, f.sort) if isinstance(sort, IndexSort)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def value_sorts(self) -> tuple[ValueSort, ...]:
        """The value sorts that some field has values of, in the order in which they first come."""
        return tuple(dict.fromkeys(f.sort for f in self._fields() if isinstance(f.sort, ValueSort)))

    def _fields(self) -> Iterator[Field]:
        yield from self.shared_fields.values()
        yield from self.local_fields.values()

    def elements_or_one(self, bounds: Bounds, over: IndexSort[Any] | None = None) -> tuple[Element | None, ...]:
        """The elements that predicates are asked of: of this index sort, or else the first one. One element if the
        bounds give none, for what is said of the whole state is said of some element. (None,) if the protocol has no
        index sort."""
        sort = over or (self.index_sorts[0] if self.index_sorts else None)
        return (bounds.elements(sort) or (sort.element(0),)) if sort else (None,)

    @cached_property
    def element_fields(self) -> frozenset[str]:
        """The locals that are elements of an index sort."""
        return frozenset(n for n, f in self.local_fields.items() if isinstance(f.sort, IndexSort))

    @cached_property
    def held(self) -> tuple[str, ...]:
        """For each lock, the local that says a process holds it."""
        return tuple(lock.held for lock in self.locks)

    @cached_property
    def holders(self) -> dict[str, str]:
        """By the shared flag of each lock, the local that says a process holds it."""
        return {lock.taken: lock.held for lock in self.locks}

    @cached_property
    def answer(self) -> tuple[str, ...]:
        """The locals that the observer returns."""
        return tuple(self.observer.answer) if self.observer else ()

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """The declared slices; where there is none, one with everything."""
        everything = frozenset((*self.shared_fields, *self.answer))
        return self.declared_slices or (Slice("all", tuple(self.properties), everything),)


@dataclass(frozen=True, slots=True)
class GivenLemma:
    """What a design's author says is always so, for a proof to try: of every element, and every process that is at a
    location such as `write 3 drop_lock` ("": wherever it is). It is shown like any lemma, never believed."""

    words: str
    holds: Callable[[Any, Any, Any], Bool] = field(compare=False)
    at: str = ""


@dataclass(frozen=True, slots=True)
class Design:
    """An order of steps for each operation of a protocol: the unit that is checked. `says` is its page, read aloud."""

    protocol: Protocol
    name: str
    says: str
    orders: tuple[tuple[str, Operation], ...]
    lemmas: tuple[GivenLemma, ...] = ()

    @classmethod
    def of(cls, protocol: Protocol, name: str, says: str, orders: Mapping[str, Operation]) -> Design:
        """A design that gives every operation of the protocol. LanguageError names what is missing or not known."""
        _known(name, orders, protocol)
        if missing := [n for n in protocol.operations if n not in orders]:
            raise LanguageError(f"design `{name}`: it lacks {', '.join(missing)}")
        return cls(protocol, name, says, tuple((n, orders[n]) for n in protocol.operations))

    def __getitem__(self, operation: str) -> Operation:
        return dict(self.orders)[operation]

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """Name and order of each, in the order of the protocol."""
        yield from self.orders

    def but(self, name: str, says: str, **changed: Operation) -> Design:
        """A variant: this design with some operations changed."""
        _known(name, changed, self.protocol)
        return replace(self, name=name, says=says, orders=tuple((n, changed.get(n, o)) for n, o in self.orders))

    def without(self, name: str, says: str, *dropped: Step) -> Design:
        """A variant: this design with these steps left out of every operation."""
        for s in dropped:
            if not any(s in o.steps for _, o in self.operations()):
                raise LanguageError(f"design `{name}`: `{s}` is no step of `{self.name}`, so it can't be left out")
        return self.but(name, says, **{n: o.without(*dropped) for n, o in self.operations()})


def _known(name: str, orders: Mapping[str, Operation], protocol: Protocol) -> None:
    """LanguageError if something is no operation of the protocol."""
    if unknown := sorted(set(orders) - set(protocol.operations)):
        there = ", ".join(protocol.operations)
        raise LanguageError(f"design `{name}`: no such operation: {', '.join(unknown)}; there are {there}")
