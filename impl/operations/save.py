"""Save a domain, and restore it: `retrieve`'s answer is the header of the file [xl, XL_MANDATORY_FLAG_JSON]."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from confsync.impl.configuration.template import Template
from confsync.impl.errors import ToolstackError
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy_locked
from confsync.impl.operations.guarded import UNWINDS, locked
from confsync.impl.operations.lifecycle import Stage, require_whole, set_stage
from confsync.impl.operations.retrieve import retrieve_locked
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Lock, Toolstack


async def save(
    t: Toolstack, domain: Domain, keep: Callable[[Template], Awaitable[None]], *, checkpoint: bool = False
) -> Template:
    """Pause the domain, have `keep` write its configuration and its memory, and destroy it; or, for a checkpoint, let
    it run on. The lock is held throughout: xl retrieves without it, and loses what is attached while it copies.

    If `keep` fails the domain runs on. A domain that its user had paused stays paused; one that a save which died had
    paused runs on. NotReady if the domain is half made or half destroyed. ToolstackError if the entry of a device had
    to be synthesized: it cannot be restored."""
    async with locked(t, domain) as lock:
        left_paused = await require_whole(t.xenstore, domain) is Stage.SAVING
        ours = left_paused or not await t.hypervisor.paused(domain)
        try:
            if ours:
                await transact(t, lambda x: set_stage(x, domain, Stage.SAVING))
                await t.hypervisor.pause(domain)
            found = await retrieve_locked(t, domain)
            if found.made_up:
                raise ToolstackError(_synthesized(domain, str(found.made_up[0])))
            await keep(found.template)
        except UNWINDS as failed:
            if ours:
                await _run_on_after(t, domain, failed)
            raise
        if not checkpoint:
            await _destroy(t, lock, domain)
        elif ours:
            await _run_on(t, domain)
        return found.template


async def _destroy(t: Toolstack, lock: Lock, domain: Domain) -> None:
    try:
        await destroy_locked(t, lock, domain)
    except UNWINDS as failed:
        failed.add_note(f"{domain} is saved, and not yet destroyed: `confsync domain destroy {domain.domid}`")
        raise


def _synthesized(domain: Domain, device: str) -> str:
    return (
        f"{domain}: its template has no entry for {device}, so the device cannot be restored; detach it first: "
        f"`confsync domain detach {domain.domid} {device}`"
    )


async def _run_on(t: Toolstack, domain: Domain) -> None:
    """The mark goes last: a domain that is paused with the mark is known to be so for the save alone."""
    await t.hypervisor.unpause(domain)
    await transact(t, lambda x: set_stage(x, domain, Stage.WHOLE))


async def _run_on_after(t: Toolstack, domain: Domain, failed: BaseException) -> None:
    try:
        await _run_on(t, domain)
    except ToolstackError as also:
        failed.add_note(
            f"and then: {also}; if `confsync domain list` shows the domain as paused: "
            f"`confsync domain unpause {domain.domid}`"
        )


async def restore(t: Toolstack, template: Template) -> Domain:
    """Create a domain of what `save` kept: under another number, with the same uuid."""
    return await create(t, template)
