"""What is not up to a step: what an operation may be asked with, and what the death of a process does.

Written in the language of steps, so that every carrier has the same of it.
"""

from __future__ import annotations

from functools import cache

from confsync.model.engine.footprint import Footprint, probe
from confsync.model.language import ABSENT, EMPTY, MADE_UP, Bool, Slot, all_of, implies, neg, one_more
from confsync.model.language.step import Signature
from confsync.model.libxl import ghosts
from confsync.model.libxl.state import LOCKS, Local, Shared


def may_be_asked(signature: Signature, me: Local, k: Slot) -> Bool:
    """What holds of an operation's arguments, slot by slot, as it begins: a kind of slot that it is about; a
    configuration that a user can give; of a whole configuration, a drive that is empty or holds one."""
    conditions: list[Bool] = []
    if signature.slot:
        conditions.append(me.slot.ejectable if signature.slot == "ejectable" else neg(me.slot.ejectable))
    if "config" in signature.takes:
        conditions += [me.config != c for c in (ABSENT, EMPTY, MADE_UP)]
    if "draft" in signature.takes:
        nothing = (implies(k.ejectable, me.draft[k] != ABSENT), implies(neg(k.ejectable), me.draft[k] != EMPTY))
        conditions += [*nothing, me.draft[k] != MADE_UP]
    return all_of(*conditions)


def die(signature: Signature, s: Shared, me: Local) -> None:
    """The process dies: its locals go, and its locks; the lock's file stays. It is counted."""
    ghosts.dies(signature, s, me)
    s.crashes = one_more(s.crashes)
    for lock, held in LOCKS.items():
        setattr(s, lock, all_of(getattr(s, lock), neg(getattr(me, held))))


@cache
def touched_by_death(signature: Signature) -> Footprint:
    """What the death of a process in an operation touches."""
    return probe(lambda s, me: die(signature, s, me), "crash", ghosts=True)
