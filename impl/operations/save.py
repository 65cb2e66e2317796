"""Save a domain, and restore it: `retrieve`'s answer is the header of the file [xl, XL_MANDATORY_FLAG_JSON]."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from impl.configuration.template import Template
from impl.errors import ToolstackError
from impl.operations.create import create
from impl.operations.destroy import destroy_locked
from impl.operations.guarded import UNWINDS, locked
from impl.operations.retrieve import retrieve_locked
from impl.ports import Domain, Toolstack


async def save(
    t: Toolstack, domain: Domain, keep: Callable[[Template], Awaitable[None]], *, checkpoint: bool = False
) -> Template:
    """Pause the domain, have `keep` write its configuration and its memory, and destroy it; or, for a checkpoint, let
    it run on. The lock is held throughout: xl retrieves without it, and loses what is attached while it copies.

    If `keep` fails the domain runs on. ToolstackError if a device's entry had to be made up: it cannot be restored."""
    async with locked(t, domain) as lock:
        await t.hypervisor.pause(domain)
        try:
            found = await retrieve_locked(t, domain)
            if found.made_up:
                raise ToolstackError(f"{domain}: the template says nothing of {found.made_up[0]}: detach it first")
            await keep(found.template)
        except UNWINDS:
            await t.hypervisor.unpause(domain)
            raise
        if checkpoint:
            await t.hypervisor.unpause(domain)
        else:
            await destroy_locked(t, lock, domain)
        return found.template


async def restore(t: Toolstack, template: Template) -> Domain:
    """Create a domain of what `save` kept: under another number, with the same uuid."""
    return await create(t, template)
