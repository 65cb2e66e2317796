"""Pause a domain, and let it run again: a domain that a save left paused too."""

from __future__ import annotations

from confsync.impl.operations.guarded import locked
from confsync.impl.operations.lifecycle import Stage, require_whole, set_stage
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Toolstack


async def pause(t: Toolstack, domain: Domain) -> None:
    """Pause the domain until `unpause`; no save unpauses it. NotReady if it is half made or half destroyed."""
    async with locked(t, domain):
        await require_whole(t.xenstore, domain)
        await transact(t, lambda x: set_stage(x, domain, Stage.WHOLE))
        await t.hypervisor.pause(domain)


async def unpause(t: Toolstack, domain: Domain) -> None:
    """Let the domain run. NotReady if it is half made or half destroyed."""
    async with locked(t, domain):
        await require_whole(t.xenstore, domain)
        await t.hypervisor.unpause(domain)
        await transact(t, lambda x: set_stage(x, domain, Stage.WHOLE))
