"""Destroy a domain: everything under the lock, in the reverse order of its creation [U1, A3]."""

from __future__ import annotations

from confsync.impl.kinds import Device
from confsync.impl.operations import entries, existence, paths
from confsync.impl.operations.guarded import locked
from confsync.impl.operations.lifecycle import Stage, set_stage
from confsync.impl.operations.remnants import expunge_remnants, is_odd
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Lock, Requests, Toolstack


async def destroy(t: Toolstack, domain: Domain) -> None:
    """Destroy the domain, whole or half made or half destroyed; after any failure or death, run it again.
    DomainNotFound; CannotList: nothing was done; HotplugFailed: the domain is paused and its devices are closing."""
    async with locked(t, domain) as lock:
        await destroy_locked(t, lock, domain)


async def destroy_locked(t: Toolstack, lock: Lock, domain: Domain) -> None:
    """The same, by who holds the lock."""
    there = await _devices(t, domain)
    await t.hypervisor.pause(domain)
    await transact(t, lambda x: _close_all(x, domain, there))
    await t.hotplug.release(domain, there, force=True)
    await transact(t, lambda x: _leave_all(x, domain, there))
    await t.templates.remove(lock)
    await transact(t, lambda x: _forget_domain(x, domain))
    await t.hypervisor.destroy(domain)


async def _devices(t: Toolstack, domain: Domain) -> list[Device]:
    """All that stands where devices do, whatever its name; USB devices before their controllers."""
    there = await existence.everything(t.xenstore, domain)
    return sorted(there, key=lambda device: "/port/" not in device.index)


async def _close_all(x: Requests, domain: Domain, there: list[Device]) -> None:
    """Mark the domain, unless xenstore has forgotten it or the number is another domain's by now, and each device."""
    if await existence.is_known(x, domain):
        await set_stage(x, domain, Stage.DESTROYING)
    for device in there:
        await entries.close(x, domain, device)


async def _leave_all(x: Requests, domain: Domain, there: list[Device]) -> None:
    odd = await is_odd(x, domain, there)
    for device in there:
        await entries.expunge(x, domain, device)
    if odd:
        await expunge_remnants(x, domain)
    await entries.remove(x, paths.devices(domain.domid))


async def _forget_domain(x: Requests, domain: Domain) -> None:
    for path in (paths.vm(domain.uuid), paths.home(domain.domid), paths.private(domain.domid)):
        await entries.remove(x, path)
