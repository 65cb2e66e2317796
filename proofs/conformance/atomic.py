"""Linearizability: what the operations returned, against the specification that each happens at one instant between
its call and its return. Nothing of the model's steps is used, and nothing of the stores: only calls and returns.

Along a schedule goes the set of all configurations that the calls and returns so far allow: what the
domain is, and for each process whether its operation has happened, and with what result. An operation that is under
way may happen at any moment; that it did is taken for granted no earlier than at the next return or death, which
leaves out nothing, for no return comes in between.

What the specification leaves open:

* An operation that returned an error other than a refusal may have happened in full or not at all; so may that of a
  process that died. A refusal (`REFUSALS`) is a result like any other: it must have been right at that instant.
* `swap` is an eject and then an insert: two instants. With an error, or a death, one of them may have been.
* A creation or destruction that failed, or whose process died, may have left half a domain. Until a `destroy` of it
  succeeds an operation other than `create` and `destroy` may return anything, and is taken to change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from confsync.impl.errors import ToolstackError
from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.libxl.state import ABSENT, EMPTY
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.steps import Place

Domain = Answer
"""A whole domain: what is at each slot, its name, its memory target."""


class Without(Enum):
    """What is there where no whole domain is."""

    NONE = "no domain"
    HALF = "half a domain"


Spec = Domain | Without
"""The state of the specification."""


class Stands(Enum):
    """Where an operation stands that has no result."""

    UNCALLED = "not called"
    PENDING = "called"
    EJECTED = "a swap whose eject has happened"
    OVER = "returned, or dead"


@dataclass(frozen=True, slots=True)
class Did:
    """An operation has happened. `result`: what a success returns, or the name of the refusal, or `ERROR`."""

    result: Domain | str | None


ERROR = "an error that is no refusal"
ANYTHING = "anything"
REFUSALS = frozenset({"DeviceExists", "DeviceNotFound", "DomainNotFound", "TemplateMissing", "CannotList"})
"""The errors that say something of the domain."""
GONE = ("DomainNotFound", "DeviceNotFound")
"""What an operation is refused with where there is no domain."""
Stand = Stands | Did
Configuration = tuple[Spec, tuple[Stand, ...]]
Configurations = frozenset[Configuration]
"""Empty: no order of the operations explains what they returned."""


def observed(place: Place, answer: Domain | None) -> Domain | str | None:
    """The result of an operation that has returned. `answer`: what its `retrieve` returned."""
    if not isinstance(place.outcome, ToolstackError):
        return answer
    name = type(place.outcome).__name__
    return name if name in REFUSALS else ERROR


def spec_of(program: Program, shared: int) -> Spec:
    """What the specification calls a quiescent state of the model."""
    layout = program.shared_layout
    if not layout.get(shared, "alive"):
        return Without.NONE
    slots, name, memory = (layout.get(shared, field) for field in ("xenstore", "name", "memory"))
    assert isinstance(slots, tuple)
    assert isinstance(name, int)
    assert isinstance(memory, int)
    return tuple(map(int, slots)), name, memory


class Atomic:
    """The specification of operations beside each other."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._asked = tuple(asked)

    def begin(self, spec: Spec) -> Configurations:
        """Before anything is called."""
        return frozenset({(spec, (Stands.UNCALLED,) * len(self._asked))})

    def call(self, configurations: Configurations, process: int) -> Configurations:
        """A process calls its operation."""
        return frozenset((spec, _with(stands, process, Stands.PENDING)) for spec, stands in configurations)

    def die(self, configurations: Configurations, process: int) -> Configurations:
        """A process dies, whose operation has not returned."""
        found = set()
        for spec, stands in self._closed(configurations):
            over = _with(stands, process, Stands.OVER)
            found.add((spec, over))
            if stands[process] is Stands.PENDING and self._asked[process].operation in ("create", "destroy"):
                found |= {(s, over) for s in _cut(self._asked[process].operation, spec)}
        return frozenset(found)

    def end(self, configurations: Configurations, process: int, result: Domain | str | None) -> Configurations:
        """The operation of a process returns this (see `observed`)."""
        return frozenset(
            (spec, _with(stands, process, Stands.OVER))
            for spec, stands in self._closed(configurations)
            if isinstance(did := stands[process], Did) and did.result in (result, ANYTHING)
        )

    def _closed(self, configurations: Configurations) -> Configurations:
        """With all that can have happened meanwhile."""
        todo, found = list(configurations), set(configurations)
        while todo:
            spec, stands = todo.pop()
            for p, stand in enumerate(stands):
                if stand not in (Stands.PENDING, Stands.EJECTED):
                    continue
                for after, stands_then in happens(self._asked[p], spec, ejected=stand is Stands.EJECTED):
                    one = (after, _with(stands, p, stands_then))
                    if one not in found:
                        found.add(one)
                        todo.append(one)
        return frozenset(found)


def _with(stands: tuple[Stand, ...], process: int, stand: Stand) -> tuple[Stand, ...]:
    return (*stands[:process], stand, *stands[process + 1 :])


def happens(asked: Asked, spec: Spec, *, ejected: bool = False) -> Iterator[tuple[Spec, Stand]]:
    """All that the operation can do at one instant. `ejected`: a swap whose eject has happened."""
    if asked.operation in ("create", "destroy"):
        yield from _of_the_domain(asked, spec)
    elif spec is Without.HALF:
        yield spec, Did(ANYTHING)
    elif isinstance(spec, Without):
        yield spec, Did(ERROR)
        yield from ((spec, Did(refused)) for refused in GONE)
    elif asked.operation == "swap" and not ejected:
        yield spec, Did(ERROR)
        after = _eject(asked, spec)
        yield (spec, Did(after)) if isinstance(after, str) else (after, Stands.EJECTED)
    else:
        yield spec, Did(ERROR)
        after = _EFFECTS[asked.operation](asked, spec)
        if isinstance(after, str):
            yield spec, Did(after)
        else:
            yield after, Did(ERROR)
            yield after, Did(spec if asked.operation == "retrieve" else None)


def _of_the_domain(asked: Asked, spec: Spec) -> Iterator[tuple[Spec, Stand]]:
    yield spec, Did(ERROR)
    yield from ((after, Did(ERROR)) for after in _cut(asked.operation, spec))
    if asked.operation == "destroy":
        after = Did("DomainNotFound") if spec is Without.NONE else Did(None)
        yield Without.NONE, after
    elif spec is Without.NONE:
        assert asked.draft is not None
        yield (asked.draft, 0, 0), Did(None)


def _cut(operation: str, spec: Spec) -> tuple[Spec, ...]:
    """What a creation or destruction leaves that is cut short, besides what there was."""
    if operation == "create":
        return (Without.HALF,) if spec is Without.NONE else ()
    return (Without.HALF,) if isinstance(spec, tuple) else ()


def _set(spec: Domain, slot: int | None, to: int | None) -> Domain:
    assert slot is not None
    assert to is not None
    slots = _slots(spec)
    return (*slots[:slot], to, *slots[slot + 1 :]), spec[1], spec[2]


def _slots(spec: Domain) -> tuple[int, ...]:
    slots = spec[0]
    assert isinstance(slots, tuple)
    return slots


def _at(asked: Asked, spec: Domain) -> int:
    assert asked.slot is not None
    return _slots(spec)[asked.slot]


def _attach(asked: Asked, spec: Domain) -> Domain | str:
    return "DeviceExists" if _at(asked, spec) != ABSENT else _set(spec, asked.slot, asked.config)


def _detach(asked: Asked, spec: Domain) -> Domain | str:
    return "DeviceNotFound" if _at(asked, spec) == ABSENT else _set(spec, asked.slot, ABSENT)


def _insert(asked: Asked, spec: Domain) -> Domain | str:
    if _at(asked, spec) == EMPTY:
        return _set(spec, asked.slot, asked.config)
    return "DeviceNotFound" if _at(asked, spec) == ABSENT else "DeviceExists"


def _eject(asked: Asked, spec: Domain) -> Domain | str:
    return "DeviceNotFound" if _at(asked, spec) == ABSENT else _set(spec, asked.slot, EMPTY)


def _rename(asked: Asked, spec: Domain) -> Domain | str:
    assert asked.number is not None
    return spec[0], asked.number, spec[2]


def _set_memory_target(asked: Asked, spec: Domain) -> Domain | str:
    assert asked.number is not None
    return spec[0], spec[1], asked.number


_EFFECTS: Mapping[str, Callable[[Asked, Domain], Domain | str]] = {
    "attach": _attach,
    "detach": _detach,
    "insert": _insert,
    "eject": _eject,
    "swap": _insert,
    "rename": _rename,
    "set_memory_target": _set_memory_target,
    "retrieve": lambda _, spec: spec,
}
