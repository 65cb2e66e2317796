"""What an embedded host keeps: the guests that the hypervisor has, and what is held for their devices."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from confsync.impl.ports import Domain

Scheduling = Mapping[str, int]
CREDIT: Scheduling = {"cap": 0, "weight": 256}
"""The scheduler's parameters of a new guest [xl sched-credit]."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest, as the hypervisor has it."""

    uuid: str
    paused: bool
    memory_kb: int
    vcpus: int
    scheduling: Scheduling = field(default_factory=lambda: dict(CREDIT))


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """Something that is held: for a device of one life of a domain."""

    domid: int
    uuid: str
    folder: str
    index: str


class View(Protocol):
    """The host while nobody else can change it."""

    def node(self, path: str) -> bytes | None:
        """A xenstore node's value, None if there is no such node."""

    def set_node(self, path: str, value: bytes) -> None:
        """Write a xenstore node, as the backend's domain does."""

    def guests(self) -> Mapping[int, Guest]:
        """All guests."""

    def guest(self, domid: int) -> Guest | None:
        """The guest of this number."""

    def set_guest(self, domid: int, guest: Guest | None) -> None:
        """Have this guest, or none."""

    def ended(self, domain: Domain) -> bool:
        """True if it is known that the guest, in this life of its number, was there and is gone."""

    def held(self, claim: Claim) -> str | None:
        """The medium in a device that is held ("" for none), None if it is not held."""

    def hold(self, claim: Claim, medium: str | None) -> None:
        """Hold the device, with this medium in it; None: hold it no longer."""


def living(view: View, domain: Domain) -> Guest | None:
    """The guest, in this life of its number; None if it is gone."""
    guest = view.guest(domain.domid)
    return guest if guest is not None and guest.uuid == domain.uuid else None


class Host(Protocol):
    """A host."""

    def exclusive(self) -> AbstractContextManager[View]:
        """Look at it and change it while nobody else does; an error undoes what was changed."""
