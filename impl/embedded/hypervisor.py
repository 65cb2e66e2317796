"""A hypervisor that keeps books of the guests there are, and runs none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from confsync.impl.embedded.host import Guest, Host, View, living
from confsync.impl.errors import DomainNotFound, HypervisorRefused
from confsync.impl.kinds import MOST_DOMID
from confsync.impl.ports import Domain


class EmbeddedHypervisor:
    """`confsync.impl.ports.Hypervisor` over an embedded host. No method suspends."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def free_domid(self) -> int:
        with self._host.exclusive() as view:
            taken = view.guests().keys()
            free = next((n for n in range(1, MOST_DOMID + 1) if n not in taken), None)
            if free is None:
                raise HypervisorRefused("every domain number is taken: destroy a domain")
            return free

    async def make(self, domain: Domain, *, memory_kb: int, vcpus: int) -> None:
        with self._host.exclusive() as view:
            if view.guest(domain.domid):
                raise HypervisorRefused(f"the number {domain.domid} is taken")
            if any(guest.uuid == domain.uuid for guest in view.guests().values()):
                raise HypervisorRefused(f"there is a domain with the uuid {domain.uuid}")
            view.set_guest(domain.domid, Guest(domain.uuid, paused=True, memory_kb=memory_kb, vcpus=vcpus))

    async def alive(self, domain: Domain) -> bool:
        with self._host.exclusive() as view:
            return living(view, domain) is not None

    async def ended(self, domain: Domain) -> bool:
        with self._host.exclusive() as view:
            return living(view, domain) is None and view.ended(domain)

    async def domains(self) -> Sequence[Domain]:
        with self._host.exclusive() as view:
            return [Domain(domid, guest.uuid) for domid, guest in sorted(view.guests().items())]

    async def pause(self, domain: Domain) -> None:
        with self._host.exclusive() as view:
            view.set_guest(domain.domid, replace(_find(view, domain), paused=True))

    async def unpause(self, domain: Domain) -> None:
        with self._host.exclusive() as view:
            view.set_guest(domain.domid, replace(_find(view, domain), paused=False))

    async def paused(self, domain: Domain) -> bool:
        with self._host.exclusive() as view:
            return _find(view, domain).paused

    async def set_memory(self, domain: Domain, kb: int) -> None:
        with self._host.exclusive() as view:
            view.set_guest(domain.domid, replace(_find(view, domain), memory_kb=kb))

    async def memory(self, domain: Domain) -> int:
        with self._host.exclusive() as view:
            return _find(view, domain).memory_kb

    async def set_scheduling(self, domain: Domain, parameters: dict[str, int]) -> None:
        with self._host.exclusive() as view:
            guest = _find(view, domain)
            view.set_guest(domain.domid, replace(guest, scheduling={**guest.scheduling, **parameters}))

    async def scheduling(self, domain: Domain) -> dict[str, int]:
        with self._host.exclusive() as view:
            return dict(_find(view, domain).scheduling)

    async def destroy(self, domain: Domain) -> None:
        with self._host.exclusive() as view:
            _find(view, domain)
            view.set_guest(domain.domid, None)


def _find(view: View, domain: Domain) -> Guest:
    guest = living(view, domain)
    if guest is None:
        raise DomainNotFound(f"there is no {domain}")
    return guest
