"""Take away the files of domains that are gone [A3: no userdata outlives its domain].

A host that lost power, and a process that died after the last step of a destruction, leave some."""

from __future__ import annotations

from impl.ports import Domain, Toolstack


async def sweep(t: Toolstack) -> list[Domain]:
    """Remove the files of all domains that are gone; those domains. One whose lock is held is left to who holds it,
    which may be its creation."""
    gone = []
    for domain in await t.templates.domains():
        if await t.hypervisor.alive(domain):
            continue
        lock = await t.templates.lock_at_once(domain)
        if lock is None:
            continue
        try:
            if not await t.hypervisor.alive(domain):
                await t.templates.remove(lock)
                gone.append(domain)
        finally:
            await t.templates.unlock(lock)
    return gone
