"""Ghosts: what the model remembers for the properties, and no process can see.

`vouched[k]` is what the last operation naming slot `k` wrote into the template for it: nothing (ABSENT) once
that operation has taken the device or medium out of xenstore again, or has given up before it was in.
`torn` says that the hypervisor has a memory target that xenstore has not been told: an operation is between
its two writes, or died there.

The ghosts follow from what a step touched, so no step mentions them and a user's own step keeps them right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from confsync.model.engine.footprint import Footprint, probe
from confsync.model.language import ABSENT, Config, Slot, any_of, either, neg, pointwise
from confsync.model.language.step import Signature
from confsync.model.libxl.state import Local, Shared


def names_every_slot(signature: Signature) -> bool:
    """True of create and destroy: they are about the whole configuration."""
    return "draft" in signature.takes or "alive" in signature.writes


def settle(signature: Signature, s: Shared, me: Local) -> None:
    """The operation no longer vouches for what is not in xenstore, or empty there."""

    def still(k: Slot) -> Config:
        gone = any_of(neg(s.xenstore[k].present), s.xenstore[k].empty)
        return either(gone, ABSENT, s.vouched[k])

    if names_every_slot(signature):
        s.vouched = pointwise(still)
    elif signature.slot:
        s.vouched[me.slot] = still(me.slot)


def gives_up(signature: Signature, s: Shared, me: Local, *, tore: bool) -> None:
    """What the ghosts do where an operation fails or is refused. `tore`: it has granted a memory target; it is for
    its clean-up to mend that, and an error is no excuse for leaving it."""
    settle(signature, s, me)
    if tore:
        s.torn = False


def dies(signature: Signature, s: Shared, me: Local) -> None:
    """What the ghosts do where a process dies in an operation."""
    settle(signature, s, me)
    if "granted" in signature.writes:
        s.torn = any_of(s.torn, s.granted != s.memory)


def follow(signature: Signature, writes: frozenset[str]) -> Callable[[Shared, Local], None]:
    """What the ghosts do after a step that writes these shared fields."""

    def after(s: Shared, me: Local) -> None:
        if "template" in writes:
            if names_every_slot(signature):
                s.vouched = s.template
            elif signature.slot:
                s.vouched[me.slot] = s.template[me.slot]
        elif "xenstore" in writes:
            settle(signature, s, me)
        if "memory" in writes:
            s.torn = False
        elif "granted" in writes:
            s.torn = s.granted != s.memory

    return after


@cache
def touched_after(signature: Signature, writes: frozenset[str]) -> Footprint:
    """What the ghosts touch after a step that writes these shared fields."""
    return probe(follow(signature, writes), "ghosts", ghosts=True)


@cache
def touched_by_giving_up(signature: Signature) -> Footprint:
    """What the ghosts touch where an operation fails or is refused."""
    return probe(lambda s, me: gives_up(signature, s, me, tore=False), "ghosts", ghosts=True)


@cache
def touched_by_death(signature: Signature) -> Footprint:
    """What the ghosts touch where a process dies in an operation."""
    return probe(lambda s, me: dies(signature, s, me), "ghosts", ghosts=True)
