"""Properties: what is asked of every design of a protocol. Each form says how it is decided.

A property's predicates are written as steps are, of the shared record `s`, an element `k` of an index sort, and the
process's own record `me`; they may see ghosts. `sometimes` is the case that makes a property interesting, in words, and
`met` says it of a state: a property whose case never arises is vacuously true, and its verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from confsync.model.language.sorts import IndexSort, ValueSort
from confsync.model.language.terms import Bool

OfState = Callable[[Any], Bool]
"""A predicate of the shared record `s`."""
OfElement = Callable[[Any, Any], Bool]
"""A predicate of a record and an element `k`; of a protocol without index sorts `k` is None."""
OfAnswer = Callable[[Any, Any, Any], Bool]
"""A predicate of the shared record `s`, of the record `me` of a process that is about to answer, and an element `k`."""


@dataclass(frozen=True)
class Property:
    """A statement about a design."""

    decided: ClassVar[str]
    """How properties of this form are decided, in words."""
    name: str
    statement: str
    claims: tuple[str, ...]
    """The claims of the protocol's sources that it states."""
    sometimes: str
    violated: str
    """What is wrong in the last state of a counterexample. `{field}` stands for a field's value, at the element in
    question if it is a map; `{result}` for an answer; the index sort's name for the element."""
    over: IndexSort[Any] | None = field(default=None, kw_only=True)
    """The index sort that its predicates are asked of; the protocol's first one if none is named."""


@dataclass(frozen=True)
class Invariant(Property):
    """Holds in every state, of the shared record and of every element."""

    decided: ClassVar[str] = "in every state, of the shared state and of every element"
    holds: OfElement
    met: OfElement


@dataclass(frozen=True)
class AnswerInvariant(Property):
    """Holds of the locals of an observer that is about to answer, for every element; `met` for some."""

    decided: ClassVar[str] = "in every state, of what the observer is about to return"
    holds: OfElement
    met: OfElement


@dataclass(frozen=True)
class Linearizable(Property):
    """What the observer answers was so at one instant between its call and its return."""

    decided: ClassVar[str] = "by watching for every answer that the observer could give"


@dataclass(frozen=True)
class AloneInvariant(Property):
    """Holds, for every element, of what the observer answers where no other operation is at work; `met` for some."""

    decided: ClassVar[str] = "in every quiescent state, of what the observer returns alone"
    holds: OfAnswer
    met: OfAnswer


@dataclass(frozen=True)
class FixedPoint(Property):
    """Where no other operation is at work the observer's answer is usable, for every element, and what is made from
    it anew is the same, and is observed the same."""

    decided: ClassVar[str] = "in every quiescent state, of what the observer returns alone"
    usable: OfElement
    """Of the locals of the observer that is about to answer."""
    met: OfElement
    """As `usable`, for some element."""


@dataclass(frozen=True)
class Recovery:
    """What a recovery leads to, and the operations it may use: all, if none is named. `only_where`: an operation begins
    only in such states."""

    agrees: OfElement
    """Holds for every element where nothing is left to recover."""
    whole: OfState
    """Holds there as well."""
    operations: frozenset[str] = frozenset()
    only_where: Mapping[str, OfState] = field(default_factory=dict)


@dataclass(frozen=True)
class Recoverable(Property):
    """From every state in which no operation is at work, operations run one after another lead to agreement."""

    decided: ClassVar[str] = "on the graph of quiescent states"
    recovery: Recovery


@dataclass(frozen=True)
class LocksExclusive(Property):
    """No lock is held by two processes."""

    decided: ClassVar[str] = "in every state, of where the processes are"


@dataclass(frozen=True)
class LockOrderAcyclic(Property):
    """No processes wait for each other's locks in a circle."""

    decided: ClassVar[str] = "in every state, of where the processes are"


@dataclass(frozen=True)
class Terminates(Property):
    """While an operation is at work some process can go on, and an idle one can begin any operation."""

    decided: ClassVar[str] = "in every state, of where the processes are"


OF_PROCESSES = (LocksExclusive, LockOrderAcyclic, Terminates)
"""Forms that are decided on where the processes are."""
OF_OBSERVER = (AnswerInvariant, Linearizable, AloneInvariant, FixedPoint)
"""Forms that are about what the observer answers."""
OF_QUIESCENCE = (AloneInvariant, FixedPoint)
"""Forms that are decided in every state in which no operation is at work, by what the observer answers there."""


@dataclass(frozen=True)
class Slice:
    """Properties that are decided together, on the part of the state that can have a say in them: what `seeds` are made
    from, and what guards depend on. A property in several slices is refuted if one of them refutes it, and holds if
    none does: it has to be a conjunction over them. `alike`: sorts of which one value that is no constant is enough,
    where no step compares values. `recovery`: what is to be recovered, of the part."""

    name: str
    properties: tuple[str, ...]
    seeds: frozenset[str]
    alike: tuple[ValueSort, ...] = ()
    recovery: Recovery | None = None
