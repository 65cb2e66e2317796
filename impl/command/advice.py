"""What to do after a command was interrupted or refused, by what the host says: the commands named here work."""

from __future__ import annotations

from confsync.impl.errors import ToolstackError
from confsync.impl.kinds import Device
from confsync.impl.operations.existence import exists, is_closing
from confsync.impl.operations.lifecycle import Stage, stage
from confsync.impl.ports import Domain, Toolstack

PROGRAM = "confsync domain"


async def after_creation(t: Toolstack, uuid: str) -> str | None:
    """After a creation that was interrupted; None if nothing is left of it, so that it can be run again."""
    made = next((d for d in await t.hypervisor.domains() if d.uuid == uuid), None)
    if made is None:
        return None
    if await stage(t.xenstore, made) is Stage.WHOLE:
        return f"{made} is made: `{PROGRAM} unpause {made.domid}` lets it run, if it does not"
    return f"{made} is left half made: `{PROGRAM} destroy {made.domid}`, then run it again"


async def after_save(t: Toolstack, domain: Domain) -> str | None:
    """After a save that was interrupted; None if it can be run again."""
    if domain not in await t.hypervisor.domains():
        return f"{domain} is saved and destroyed"
    if await stage(t.xenstore, domain) in (Stage.WHOLE, Stage.SAVING):
        return None
    return f"{domain} is saved and half destroyed: `{PROGRAM} destroy {domain.domid}`"


async def note_unfinished(t: Toolstack, domain: Domain, device: Device, refusal: ToolstackError) -> None:
    """Have the refusal of an attach say that an earlier attach or detach was cut short, on evidence only."""
    try:
        if not await exists(t.xenstore, domain, device):
            return
        if await is_closing(t.xenstore, domain, device):
            why = "is going away: a detach is at work or was cut short"
        elif not await t.hotplug.held(domain, device):
            why = "is not connected: an attach is at work or was cut short"
        else:
            return
    except ToolstackError:
        return
    refusal.add_note(
        f"{device} {why}; if none is at work: `{PROGRAM} detach {domain.domid} {device}`, then attach it again"
    )
