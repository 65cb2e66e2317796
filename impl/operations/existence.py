"""What exists: what stands under `/libxl/<domid>/device`, which the toolstack alone can write [XSA-175, XSA-178].

The frontend is the guest's and the backend the driver domain's: nothing is ever read from either. `online` of the
toolstack's own copy tells a device that goes away from one that stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from confsync.impl.errors import CannotList, DeviceNotFound, DomainNotFound, InvalidArgument, NoEntry, XenstoreError
from confsync.impl.kinds import KINDS, PCI, USBCTRL, USBDEV, Device, Kind
from confsync.impl.operations import paths
from confsync.impl.ports import Domain, Requests

_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


async def read_text(x: Requests, path: str) -> str | None:
    """A node's value as text, None if there is no such node."""
    try:
        return (await x.read(path)).decode("utf-8", "replace")
    except NoEntry:
        return None


async def names(x: Requests, path: str) -> Sequence[str]:
    """The names of a node's children; none if there is no such node."""
    try:
        return await x.directory(path)
    except NoEntry:
        return ()


async def exists(x: Requests, domain: Domain, device: Device) -> bool:
    """True if the device exists. A USB port is a device if something is plugged into it."""
    value = await read_text(x, paths.existing(domain, device))
    if device.kind is PCI and value is None:
        return device.index in await libxl_pci(x, domain)
    return bool(value) if device.kind is USBDEV else value is not None


async def libxl_pci(x: Requests, domain: Domain) -> list[str]:
    """The indices of the PCI devices that libxl lists: those of dom0's backend, which dom0 alone can write. Since Xen
    4.15 it keeps no list of its own [libxl__device_pci_list, 0fdb48ffe7]."""
    backend = f"{paths.home(0)}/backend/pci/{domain.domid}/0"
    there = await names(x, backend)
    if "num_devs" not in there:
        return []
    text = await read_text(x, f"{backend}/num_devs") or ""
    count = int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
    addresses = [await read_text(x, f"{backend}/dev-{n}") for n in paths.pci_numbers(there) if n < count]
    return [re.sub("[:.]", "-", address) for address in addresses if address and _ADDRESS.fullmatch(address)]


async def is_closing(x: Requests, domain: Domain, device: Device) -> bool:
    """True if the device is marked to go away."""
    return await read_text(x, f"{paths.existing(domain, device)}/online") == "0"


async def is_known(x: Requests, domain: Domain) -> bool:
    """True if what xenstore has of the number is of this domain: not of the number's next owner, and not nothing, as of
    one that is half destroyed, or that a xenstored which was started anew has forgotten."""
    return await read_text(x, f"{paths.home(domain.domid)}/vm") == paths.vm(domain.uuid)


async def require_known(x: Requests, domain: Domain) -> None:
    """DomainNotFound if xenstore does not know the domain. Nothing may be written for it then."""
    if not await is_known(x, domain):
        raise DomainNotFound(f"xenstore has no {domain}")


async def require(x: Requests, domain: Domain, device: Device) -> None:
    """DeviceNotFound unless the device exists."""
    if not await exists(x, domain, device):
        raise DeviceNotFound(f"{domain} has no {device}")


async def devices(x: Requests, domain: Domain, *kinds: Kind) -> dict[Kind, list[Device]]:
    """The devices that exist, by kind, of these kinds or all; a kind that has none is there too. CannotList if that
    cannot be read: never an empty list [`libxl__device_list` returns one on any error]."""
    try:
        return {k: [Device(k, i) for i in await _indices(x, domain, k)] for k in kinds or KINDS.values()}
    except (XenstoreError, InvalidArgument) as e:
        raise CannotList(f"{domain}: what exists cannot be read: {e}") from e


async def everything(x: Requests, domain: Domain) -> list[Device]:
    """All that stands where devices do, with names that are no device's too: for what removes it. CannotList."""
    try:
        return [Device(k, i) for k in KINDS.values() for i in await _listed(x, domain, k)]
    except XenstoreError as e:
        raise CannotList(f"{domain}: what exists cannot be read: {e}") from e


async def _listed(x: Requests, domain: Domain, kind: Kind) -> list[str]:
    folder = paths.of_kind(domain.domid, kind)
    found = list(await names(x, folder))
    if kind is USBDEV:
        found = [f"{ctrl}/port/{port}" for ctrl in found for port in await names(x, f"{folder}/{ctrl}/port")]
        found = [index for index in found if await read_text(x, f"{folder}/{index}")]
    return found


async def _indices(x: Requests, domain: Domain, kind: Kind) -> list[str]:
    found = await _listed(x, domain, kind)
    if kind is PCI:  # one whose name is 0 is the bus, by which libxl up to 4.14 knows that there are any
        found = [index for index in found if index != "0"]
        found += [index for index in await libxl_pci(x, domain) if index not in found]
    for index in found:
        try:
            kind.to_key(index)
        except InvalidArgument as e:
            path, number = f"{paths.of_kind(domain.domid, kind)}/{index}", domain.domid
            raise InvalidArgument(
                f"{path}: {e}; remove it: `confsync domain detach {number} {kind} {index} --force`"
            ) from None
    return found


async def pointers(x: Requests, domain: Domain, node: str) -> tuple[str | None, str | None]:
    """The folders of frontend and backend, by the toolstack's own copy; None for one that is not there, or that is
    no folder of a device of this domain: nothing is written or removed by such a pointer."""
    frontend, backend = await read_text(x, f"{node}/frontend"), await read_text(x, f"{node}/backend")
    return (
        frontend if frontend and paths.is_frontend(frontend, domain.domid) else None,
        backend if backend and paths.is_backend(backend, domain.domid) else None,
    )


async def plugged(x: Requests, domain: Domain, controller: Device) -> list[Device]:
    """The USB devices at a controller."""
    assert controller.kind is USBCTRL
    folder = f"{paths.existing(domain, controller)}/port"
    found = [Device(USBDEV, f"{controller.index}/port/{port}") for port in await names(x, folder)]
    return [device for device in found if await exists(x, domain, device)]


async def named(x: Requests, name: str, *, but: int | None = None) -> str | None:
    """The number of the domain that has this name, or None. `but`: a domain that is not meant."""
    for domid in await names(x, paths.DOMAINS):
        if domid != str(but) and await read_text(x, f"{paths.DOMAINS}/{domid}/name") == name:
            return domid
    return None
