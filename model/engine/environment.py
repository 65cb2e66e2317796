"""What is not up to a step: what an operation may be asked with, what ghosts do, what the death of a process does.

All of it is written in the language of steps, so that every carrier has the same of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from confsync.model.engine.footprint import Footprint, probe
from confsync.model.language import Bool, Index, IndexSort, Protocol, Signature, all_of, neg, one_more

Update = Callable[[Any, Any], None]
"""A change of the shared record, that may look at the process's own."""


def may_be_asked(protocol: Protocol, signature: Signature, me: Any, k: Index) -> Bool:
    """What holds of an operation's arguments as it begins, at any element: each is of the kind that it is about, and
    what the protocol says."""
    kinds = [_is_of_kind(protocol, getattr(me, argument), argument, kind) for argument, kind in signature.of_kind]
    said = protocol.may_be_asked(signature, me, k)
    return all_of(*kinds, *(() if said is True else (said,)))


def _is_of_kind(protocol: Protocol, element: Any, argument: str, kind: str) -> Bool:
    sort = protocol.local_fields[argument].sort
    assert isinstance(sort, IndexSort)
    if kind in sort.predicates:
        return getattr(element, kind)  # type: ignore[no-any-return]
    return all_of(*(neg(getattr(element, other)) for other in sort.predicates))


def die(protocol: Protocol, signature: Signature) -> Update:
    """What the death of a process does: its locals go, and its locks. It is counted."""

    def dies(s: Any, me: Any) -> None:
        protocol.ghosts.dies(signature)(s, me)
        setattr(s, protocol.crashes, one_more(getattr(s, protocol.crashes)))
        for lock in protocol.locks:
            setattr(s, lock.taken, all_of(getattr(s, lock.taken), neg(getattr(me, lock.held))))

    return dies


@cache
def touched_by_death(protocol: Protocol, signature: Signature) -> Footprint:
    """What the death of a process in an operation touches."""
    return _touches(protocol, die(protocol, signature))


@cache
def touched_after(protocol: Protocol, signature: Signature, writes: frozenset[str]) -> Footprint:
    """What the ghosts touch after a step that writes these shared fields."""
    return _touches(protocol, protocol.ghosts.follow(signature, writes))


@cache
def touched_by_giving_up(protocol: Protocol, signature: Signature, written: frozenset[str]) -> Footprint:
    """What the ghosts touch where an operation fails or is refused, whose steps have written these shared fields."""
    return _touches(protocol, protocol.ghosts.gives_up(signature, written))


@cache
def ghosts_touched_by_death(protocol: Protocol, signature: Signature) -> Footprint:
    """What the ghosts touch where a process dies in an operation."""
    return _touches(protocol, protocol.ghosts.dies(signature))


def _touches(protocol: Protocol, update: Update) -> Footprint:
    return probe(update, "ghosts", protocol.shared, protocol.local, ghosts=True)
