"""What a destruction takes away of devices that no device's name leads to: unknown kinds, garbage for names, lost
pointers. On a host where only toolstacks write the toolstack's nodes there is none."""

from __future__ import annotations

from collections.abc import Sequence

from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import KINDS, PCI, USBDEV, Device
from confsync.impl.operations import paths
from confsync.impl.operations.existence import libxl_pci, names, pointers
from confsync.impl.ports import Domain, Requests


async def is_odd(x: Requests, domain: Domain, there: Sequence[Device]) -> bool:
    """True if below `/libxl/<domid>/device` there is anything but devices whose frontend and backend are known, or
    libxl attached a PCI device."""
    if set(await names(x, paths.devices(domain.domid))) - {kind.folder for kind in KINDS.values()}:
        return True
    for device in there:
        try:
            device.kind.to_key(device.index)
        except InvalidArgument:
            return True
        if device.kind is not USBDEV and None in await pointers(x, domain, paths.existing(domain, device)):
            return True
    return bool(set(await libxl_pci(x, domain)) - {device.index for device in there if device.kind is PCI})


async def expunge_remnants(x: Requests, domain: Domain) -> None:
    """Remove every backend of the domain, in whichever domain it is; the frontends go with the domain's own folder."""
    for owner in await names(x, paths.DOMAINS):
        for kind in await names(x, f"{paths.DOMAINS}/{owner}/backend"):
            folder = f"{paths.DOMAINS}/{owner}/backend/{kind}"
            if str(domain.domid) in await names(x, folder):
                await x.remove(f"{folder}/{domain.domid}")
