"""Ghosts: what the model remembers for the properties, and no process can see.

`vouched[k]` is what the last operation naming slot `k` wrote into the template for it: nothing (ABSENT) once
that operation has taken the device or medium out of xenstore again, or has given up before it was in.
`torn` says that the hypervisor has a memory target that xenstore has not been told: an operation is between
its two writes, or died there.

The ghosts follow from what a step touched, so no step mentions them and a user's own step keeps them right.
"""

from __future__ import annotations

from collections.abc import Callable

from confsync.model.language import Ghosts, Signature, Term, any_of, either, neg, pointwise
from confsync.model.libxl.state import ABSENT, Local, Shared, Slot

Update = Callable[[Shared, Local], None]


def names_every_slot(signature: Signature) -> bool:
    """True of create and destroy: they are about the whole configuration."""
    return "draft" in signature.takes or "alive" in signature.writes


def settle(signature: Signature, s: Shared, me: Local) -> None:
    """The operation no longer vouches for what is not in xenstore, or empty there."""

    def still(k: Slot) -> int | Term:
        gone = any_of(neg(s.xenstore[k].present), s.xenstore[k].empty)
        return either(gone, ABSENT, s.vouched[k])

    if names_every_slot(signature):
        s.vouched = pointwise(still)
    elif "slot" in signature.takes:
        s.vouched[me.slot] = still(me.slot)


def gives_up(signature: Signature, written: frozenset[str]) -> Update:
    """What the ghosts do where an operation fails or is refused. If it has granted a memory target, it is for its
    clean-up to mend that, and an error is no excuse for leaving it."""

    def after(s: Shared, me: Local) -> None:
        settle(signature, s, me)
        if "granted" in written:
            s.torn = False

    return after


def dies(signature: Signature) -> Update:
    """What the ghosts do where a process dies in an operation."""

    def after(s: Shared, me: Local) -> None:
        settle(signature, s, me)
        if "granted" in signature.writes:
            s.torn = any_of(s.torn, s.granted != s.memory)

    return after


def follow(signature: Signature, writes: frozenset[str]) -> Update:
    """What the ghosts do after a step that writes these shared fields."""

    def after(s: Shared, me: Local) -> None:
        if "template" in writes:
            if names_every_slot(signature):
                s.vouched = s.template
            elif "slot" in signature.takes:
                s.vouched[me.slot] = s.template[me.slot]
        elif "xenstore" in writes:
            settle(signature, s, me)
        if "memory" in writes:
            s.torn = False
        elif "granted" in writes:
            s.torn = s.granted != s.memory

    return after


GHOSTS = Ghosts(follow, gives_up, dies)
