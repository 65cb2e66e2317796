"""Remove the files of domains that are gone [A3: no userdata outlives its domain].

A process that died after the last step of a destruction, or a domain that ended by itself, leaves some. A domain of
which nothing is known keeps its files: the record of the hypervisor may be another host's, or older than the domain.
"""

from __future__ import annotations

from confsync.impl.ports import Domain, Toolstack


async def sweep(t: Toolstack) -> list[Domain]:
    """Remove the files of all domains that are known to be gone; those domains. One whose lock is held is left to who
    holds it, which may be its creation."""
    gone = []
    for domain in await t.templates.domains():
        if not await t.hypervisor.ended(domain):
            continue
        lock = await t.templates.lock_at_once(domain)
        if lock is None:
            continue
        try:
            if await t.hypervisor.ended(domain):
                await t.templates.remove(lock)
                gone.append(domain)
        finally:
            await t.templates.unlock(lock)
    return gone


async def unknown(t: Toolstack) -> list[Domain]:
    """The domains that have files, and of which the hypervisor knows neither that they exist nor that they are gone."""
    found = await t.templates.domains()
    return [d for d in found if not await t.hypervisor.alive(d) and not await t.hypervisor.ended(d)]
