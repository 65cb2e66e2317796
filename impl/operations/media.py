"""Put a medium into a drive, take it out, exchange it.

Out: the device model first, then xenstore, then the template, so that what the guest has is never less known than
it is there. In: the other way round, and only into an empty drive. So at each moment xenstore says *empty*, or what
the template says [C1], and an exchange is an eject and an insert [C2].
"""

from __future__ import annotations

from impl.configuration.template import Template, emptied, is_empty
from impl.errors import DeviceNotFound, InvalidArgument
from impl.kinds import Device, Entry
from impl.operations import entries
from impl.operations.guarded import locked, read_template, replace_template, require_proper_entry
from impl.operations.layout import params
from impl.operations.transact import transact
from impl.ports import Domain, Toolstack

MEDIUM = ("pdev_path", "format")
"""The fields of a drive's entry that are about its medium."""


async def insert(t: Toolstack, domain: Domain, drive: Device, path: str, form: str = "raw") -> None:
    """Put the image at `path` into the drive, which must be empty. DeviceNotFound, DeviceExists, InvalidArgument.
    After HotplugFailed the drive has the medium for all but the guest: eject it."""
    _require_medium(path, form)
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        await entries.refuse_unless_empty(t.xenstore, domain, drive)
        entry = {**_entry(template, domain, drive), "pdev_path": path, "format": form}
        medium = params(entry)
        require_proper_entry(drive.kind, entry)
        await replace_template(t, lock, template.put(drive, entry))
        await transact(t, lambda x: entries.load(x, domain, drive, medium))
        await t.hotplug.insert(domain, drive, medium)


async def eject(t: Toolstack, domain: Domain, drive: Device) -> None:
    """Take the medium out of the drive; nothing if it is empty. DeviceNotFound, InvalidArgument."""
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        entry = _entry(template, domain, drive)
        await entries.require_drive(t.xenstore, domain, drive)
        await t.hotplug.eject(domain, drive)
        await transact(t, lambda x: entries.unload(x, domain, drive))
        if not is_empty(entry):
            await replace_template(t, lock, template.put(drive, emptied(entry)))


async def swap(t: Toolstack, domain: Domain, drive: Device, path: str, form: str = "raw") -> None:
    """Exchange the medium: an eject, then an insert. Another operation can come in between."""
    _require_medium(path, form)
    await eject(t, domain, drive)
    await insert(t, domain, drive, path, form)


def _require_medium(path: str, form: str) -> None:
    if is_empty({"pdev_path": path, "format": form}):
        raise InvalidArgument("a medium needs a path: to have the drive empty, eject what is in it")


def _entry(template: Template, domain: Domain, drive: Device) -> Entry:
    found = template.find(drive)
    if found is None:
        raise DeviceNotFound(f"the template of {domain} has no {drive}")
    return found
