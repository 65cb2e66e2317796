"""A host in memory, whose whole state can be kept and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from confsync.impl.embedded.host import Claim, Guest
from confsync.impl.ports import Domain
from confsync.impl.xenstore.engine import Connection
from confsync.impl.xenstore.memory import MemoryStore

Kept = tuple[Mapping[int, Guest], Mapping[Claim, str]]


class MemoryHost:
    """`confsync.impl.embedded.host.Host` of one process."""

    def __init__(self, xenstore: MemoryStore) -> None:
        self._xenstore = xenstore
        self._backends = Connection(xenstore.engine, 0)
        self._guests: dict[int, Guest] = {}
        self._held: dict[Claim, str] = {}

    @contextmanager
    def exclusive(self) -> Iterator[MemoryHost]:
        yield self  # nothing in a block fails after its first change, so there is nothing to undo

    def node(self, path: str) -> bytes | None:
        found = self._xenstore.table.get(path)
        return None if found is None else found.value

    def set_node(self, path: str, value: bytes) -> None:
        self._backends.write(path, value)

    def guests(self) -> Mapping[int, Guest]:
        return MappingProxyType(self._guests)

    def guest(self, domid: int) -> Guest | None:
        return self._guests.get(domid)

    def set_guest(self, domid: int, guest: Guest | None) -> None:
        if guest is None:
            self._guests.pop(domid, None)
        else:
            self._guests[domid] = guest

    def ended(self, domain: Domain) -> bool:
        guest = self._guests.get(domain.domid)
        return guest is None or guest.uuid != domain.uuid  # nothing is ever lost from the memory

    def held(self, claim: Claim) -> str | None:
        return self._held.get(claim)

    def hold(self, claim: Claim, medium: str | None) -> None:
        if medium is None:
            self._held.pop(claim, None)
        else:
            self._held[claim] = medium

    def all_held(self) -> Mapping[Claim, str]:
        """All that is held."""
        return MappingProxyType(self._held)

    def keep(self) -> Kept:
        """The host as it is, to be put back."""
        return self._guests.copy(), self._held.copy()

    def put_back(self, kept: Kept) -> None:
        """Have the host as it was."""
        self._guests, self._held = dict(kept[0]), dict(kept[1])
