"""Put a medium into a drive, take it out, exchange it.

Out: the device model first, then xenstore, then the template, so that what the guest has is never less known than
it is there. In: the other way round, and only into an empty drive. So at each moment xenstore says *empty*, or what
the template says [C1], and an exchange is an eject and an insert [C2].
"""

from __future__ import annotations

from confsync.impl.configuration.template import Template, emptied, is_empty
from confsync.impl.errors import DeviceNotFound, InvalidArgument, MalformedConfiguration, TemplateMissing
from confsync.impl.kinds import DISK, Device, Entry
from confsync.impl.operations import entries
from confsync.impl.operations.door import require_good_asked, require_room
from confsync.impl.operations.guarded import UNWINDS, locked, read_template, replace_template
from confsync.impl.operations.layout import params
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Toolstack

MEDIUM = ("pdev_path", "format")
"""The fields of a drive's entry that are about its medium."""
LONGEST_VDEV = "d1048575p255"
"""The disk whose number is the longest, and with it the path in xenstore."""


async def insert(t: Toolstack, domain: Domain, drive: Device, path: str, form: str = "raw") -> None:
    """Put the image at `path` into the drive, which must be empty. DeviceNotFound, DeviceExists, InvalidArgument.
    After HotplugFailed the drive has the medium for all but the guest: eject it."""
    _require_medium(path, form)
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        await entries.refuse_unless_empty(t.xenstore, domain, drive)
        entry = {**_entry(template, domain, drive), "pdev_path": path, "format": form}
        medium = params(entry)
        require_room(template.put(drive, entry))
        await replace_template(t, lock, template.put(drive, entry))
        await transact(t, lambda x: entries.load(x, domain, drive, medium))
        try:
            await t.hotplug.insert(domain, drive, medium)
        except UNWINDS as failed:
            vdev = drive.kind.to_key(drive.index)["vdev"]
            failed.add_note(
                f"{drive} holds the medium for all but the guest: `confsync domain eject {domain.domid} {vdev}`, "
                "then insert it again"
            )
            raise


async def eject(t: Toolstack, domain: Domain, drive: Device) -> None:
    """Take the medium out of the drive; nothing if it is empty. A template that cannot be read is left as it is.
    DeviceNotFound, InvalidArgument."""
    async with locked(t, domain) as lock:
        template = await _readable(t, domain)
        entry = template.find(drive) or {}
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
    require_good_asked(DISK, {"vdev": LONGEST_VDEV, "pdev_path": path, "format": form, "is_cdrom": True}, "")


async def _readable(t: Toolstack, domain: Domain) -> Template:
    """The domain's template; one without devices if it is missing or damaged: that keeps no medium in a drive."""
    try:
        return await read_template(t, domain)
    except (TemplateMissing, MalformedConfiguration):
        return Template.of({}, "no template")


def _entry(template: Template, domain: Domain, drive: Device) -> Entry:
    found = template.find(drive)
    if found is None:
        raise DeviceNotFound(f"the template of {domain} has no {drive}")
    return found
