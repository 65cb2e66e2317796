"""Attach a device, and detach it."""

from __future__ import annotations

from collections.abc import Awaitable

from confsync.impl.configuration.defaults import complete
from confsync.impl.errors import DeviceExists, MalformedConfiguration, TemplateMissing
from confsync.impl.kinds import Device, Entry, Kind
from confsync.impl.operations import entries, existence
from confsync.impl.operations.door import require_good_asked, require_room
from confsync.impl.operations.guarded import UNWINDS, locked, read_template, replace_template
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Requests, Toolstack


async def attach(t: Toolstack, domain: Domain, kind: Kind, entry: Entry) -> Device:
    """Attach a device that is described by `entry`; one without a number gets the lowest that is free. The template
    is written first, then xenstore, then the lock is dropped, and only then is anything allocated.

    DeviceExists; DeviceNotFound: the controller of a USB device; InvalidArgument; DomainNotFound. After HotplugFailed
    or TimedOut the device exists, in part connected: a note says how to detach it."""
    require_good_asked(kind, entry, domain.uuid)
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        device, whole = complete(kind, entry, domain.uuid, await _taken(t, domain, kind))
        if await existence.exists(t.xenstore, domain, device):
            raise DeviceExists(f"{domain} has {device} already")
        await existence.require_known(t.xenstore, domain)  # one that was started anew knows of no device
        await entries.require_partners(t.xenstore, domain, device, whole)
        require_room(template.put(device, whole))
        await replace_template(t, lock, template.put(device, whole))
        await transact(t, lambda x: _enter(x, domain, device, whole))
    try:
        await t.hotplug.allocate(domain, [device])
    except UNWINDS as failed:
        failed.add_note(
            f"{device} is attached in part: `confsync domain detach {domain.domid} {device}`, then attach it again"
        )
        raise
    return device


async def _enter(x: Requests, domain: Domain, device: Device, entry: Entry) -> None:
    await existence.require_known(x, domain)
    await entries.enter(x, domain, device, entry)


async def _taken(t: Toolstack, domain: Domain, kind: Kind) -> frozenset[str]:
    return frozenset(device.index for device in (await existence.devices(t.xenstore, domain, kind))[kind])


async def detach(t: Toolstack, domain: Domain, device: Device, *, force: bool = False) -> None:
    """Detach a device: tell the backend, disconnect, and under the lock leave xenstore and then the template.
    `force`: whether or not the guest lets it go, and even if the template is missing or damaged: it is left so.

    DeviceNotFound; InvalidArgument; DomainNotFound. After HotplugFailed or TimedOut the device exists and is going
    away: detach it again."""
    try:
        await _detach(t, domain, device, force=force)
    except (TemplateMissing, MalformedConfiguration):
        if not force:
            raise


async def _detach(t: Toolstack, domain: Domain, device: Device, *, force: bool) -> None:
    def held() -> Awaitable[bool]:
        return t.hotplug.held(domain, device)

    await transact(t, lambda x: entries.mark_closing(x, domain, device))
    await t.hotplug.release(domain, [device], force=force)
    async with locked(t, domain) as lock:
        await transact(t, lambda x: entries.leave(x, domain, device, held))
        template = await read_template(t, domain)
        await replace_template(t, lock, template.without(device))
