"""A device's entry in xenstore, as the body of one transaction: enter, mark closing, leave, and the medium of a drive.

Each body can be run again after a conflict: it looks at everything anew.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from confsync.impl.configuration.media import says_empty
from confsync.impl.errors import DeviceExists, DeviceNotFound, HotplugFailed, InvalidArgument
from confsync.impl.kinds import PCI, USBCTRL, USBDEV, Device, Entry
from confsync.impl.operations import paths
from confsync.impl.operations.door import require_port
from confsync.impl.operations.existence import (
    exists,
    is_closing,
    named,
    names,
    plugged,
    pointers,
    read_text,
    require,
    require_known,
)
from confsync.impl.operations.layout import CLOSING, INITIALISING, RECONFIGURING, Layout, Nodes, driver_domain, layout
from confsync.impl.ports import Domain, Permission, Requests

DOM0_NAME = "Domain-0"
"""The name that dom0 has on every host, whether or not xenstore was told [xen-init-dom0]."""


async def enter(x: Requests, domain: Domain, device: Device, entry: Entry) -> None:
    """Write all of the device. DeviceExists; InvalidArgument."""
    node = paths.existing(domain, device)
    if await exists(x, domain, device):
        raise DeviceExists(f"{domain} has {device} already")
    plan = layout(domain, device, entry, await _backend_domid(x, entry))
    if device.kind is USBDEV:
        await _enter_usb(x, domain, device, plan)
    elif device.kind is PCI:
        await _enter_pci(x, domain, device, plan)
    else:
        await _own(x, plan.frontend, Permission(domain.domid, "n"), Permission(plan.backend_domid, "r"))
        await _own(x, plan.backend, Permission(plan.backend_domid, "n"), Permission(domain.domid, "r"))
        await _write(x, plan.frontend, plan.front)
        await _write(x, plan.backend, plan.back)
        ours = {n: v for n, v in plan.back.items() if not n.startswith("port/")}
        await _write(x, node, {"frontend": plan.frontend, "backend": plan.backend, **ours})


async def require_partners(x: Requests, domain: Domain, device: Device, entry: Entry) -> None:
    """DeviceNotFound or InvalidArgument unless the backend's domain is there, and a USB device's controller and
    port."""
    await _backend_domid(x, entry)
    if device.kind is USBDEV:
        await _require_controller(x, domain, device)


async def _backend_domid(x: Requests, entry: Entry) -> int:
    """The number of the backend's domain [`libxl__resolve_domid`]. InvalidArgument if no domain has the name."""
    backend = driver_domain(entry)
    if isinstance(backend, int):
        return backend
    domid = await named(x, backend)
    if domid is None and backend == DOM0_NAME:
        return 0
    if domid is None:
        raise InvalidArgument(f"there is no domain {backend!r} to be the backend")
    return int(domid)


async def mark_closing(x: Requests, domain: Domain, device: Device) -> None:
    """Say that the device goes away; nothing if that is said already. No lock is held, so the number may be another
    domain's by now: DomainNotFound. DeviceNotFound; InvalidArgument if it is a USB controller that something is plugged
    into."""
    await require_known(x, domain)
    await require(x, domain, device)
    if device.kind is PCI and await read_text(x, paths.existing(domain, device)) is None:
        raise DeviceNotFound(f"{domain}: libxl attached {device}: `xl pci-detach {domain.domid} {str(device)[4:]}`")
    if device.kind is USBCTRL and (busy := await plugged(x, domain, device)):
        raise InvalidArgument(
            f"{domain}: {device} has {busy[0]}: detach that first: `confsync domain detach {domain.domid} {busy[0]}`"
        )
    await close(x, domain, device)


async def close(x: Requests, domain: Domain, device: Device) -> None:
    """Say that a device that exists goes away."""
    node = paths.existing(domain, device)
    await x.write(f"{node}/online", b"0")
    await _tell(x, domain, device)


async def leave(x: Requests, domain: Domain, device: Device, held: Callable[[], Awaitable[bool]]) -> None:
    """Remove all of the device. DeviceNotFound; HotplugFailed if it is not marked closing, or something is held for it.

    `held` is asked once the mark is seen, and not before: nothing new is held for a device that is marked, so the
    answer stays true until the commit."""
    node = paths.existing(domain, device)
    await require(x, domain, device)
    if not await is_closing(x, domain, device):
        raise HotplugFailed(f"{domain}: {device} was attached anew while it was being detached")
    if await held():
        raise HotplugFailed(f"{domain}: {device} was connected anew while it was being detached")
    await expunge(x, domain, device)
    await _prune(x, node, paths.devices(domain.domid))


async def expunge(x: Requests, domain: Domain, device: Device) -> None:
    """Remove what xenstore has of the device, however little that is."""
    node = paths.existing(domain, device)
    frontend, backend = await pointers(x, domain, node)
    if device.kind is USBDEV:
        await _vacate(x, domain, device)
    elif device.kind is PCI:
        await _leave_pci(x, domain, device)
    else:
        for folder in (frontend, backend):
            if folder:
                await _prune(x, folder, paths.parent(paths.parent(folder)))


async def load(x: Requests, domain: Domain, drive: Device, medium: str) -> None:
    """Say that the drive holds the medium. DeviceNotFound; DeviceExists unless it is empty."""
    await refuse_unless_empty(x, domain, drive)
    await _write_medium(x, domain, drive, medium)


async def unload(x: Requests, domain: Domain, drive: Device) -> None:
    """Say that the drive is empty. DeviceNotFound."""
    await require_drive(x, domain, drive)
    await _write_medium(x, domain, drive, "")


async def require_drive(x: Requests, domain: Domain, drive: Device) -> None:
    """DeviceNotFound unless the device exists, InvalidArgument if it is not a drive whose medium can be changed."""
    await require(x, domain, drive)
    if await read_text(x, f"{paths.existing(domain, drive)}/removable") != "1":
        raise InvalidArgument(f"{domain}: {drive} is no drive that a medium can be put into")


async def refuse_unless_empty(x: Requests, domain: Domain, drive: Device) -> None:
    """As `require_drive`; DeviceExists unless xenstore says that the drive is empty."""
    await require_drive(x, domain, drive)
    if not await drive_is_empty(x, domain, drive):
        raise DeviceExists(
            f"{domain}: {drive} holds a medium: eject it first: "
            f"`confsync domain eject {domain.domid} {drive.kind.to_key(drive.index)['vdev']}`"
        )


async def drive_is_empty(x: Requests, domain: Domain, drive: Device) -> bool:
    """True if xenstore says that the drive holds no medium."""
    return says_empty(await read_text(x, f"{paths.existing(domain, drive)}/params"))


async def _write_medium(x: Requests, domain: Domain, drive: Device, medium: str) -> None:
    node = paths.existing(domain, drive)
    _, backend = await pointers(x, domain, node)
    await x.write(f"{node}/params", medium.encode())
    if backend and await read_text(x, backend) is not None:
        await x.write(f"{backend}/params", medium.encode())


async def _own(x: Requests, folder: str, owner: Permission, other: Permission) -> None:
    await x.make(folder)
    await x.set_permissions(folder, [owner, other])


async def _write(x: Requests, folder: str, nodes: Nodes) -> None:
    for name, value in nodes.items():
        await x.write(f"{folder}/{name}", value.encode())


async def _tell(x: Requests, domain: Domain, device: Device) -> None:
    """Tell the backend, unless the driver domain has taken away what it is told by."""
    node = paths.existing(domain, device)
    _, backend = await pointers(x, domain, node)
    if not backend or await read_text(x, backend) is None:
        return
    if device.kind is PCI:
        number = await _number(x, node)
        if number is not None:
            await x.write(f"{backend}/state-{number}", CLOSING.encode())
        await x.write(f"{backend}/state", RECONFIGURING.encode())
    elif device.kind is not USBDEV:
        await x.write(f"{backend}/online", b"0")
        await x.write(f"{backend}/state", CLOSING.encode())


async def _prune(x: Requests, path: str, stop: str) -> None:
    """Remove a node, and what is above it and then empty, up to `stop` [`libxl__xs_path_cleanup`]."""
    await remove(x, path)
    above = paths.parent(path)
    while above.startswith(f"{stop}/") and not await names(x, above):
        await remove(x, above)
        above = paths.parent(above)


async def remove(x: Requests, path: str) -> None:
    """Remove a node, if it is there."""
    if await read_text(x, path) is not None:
        await x.remove(path)


async def _enter_usb(x: Requests, domain: Domain, device: Device, plan: Layout) -> None:
    await _require_controller(x, domain, device)
    _, backend = await pointers(x, domain, paths.controller(domain, device))
    port = device.index.rpartition("/")[2]
    node, busid = paths.existing(domain, device), plan.back["busid"].encode()
    await x.write(node, busid)
    await _write(x, node, {"backend": backend or "", "online": "1"})
    if backend and await read_text(x, backend) is not None:
        await x.write(f"{backend}/port/{port}", busid)


async def _require_controller(x: Requests, domain: Domain, device: Device) -> None:
    controller = paths.controller(domain, device)
    if await read_text(x, controller) is None or await read_text(x, f"{controller}/online") == "0":
        raise DeviceNotFound(f"{domain} has no USB controller for {device}")
    most = await read_text(x, f"{controller}/num-ports") or ""
    require_port(device, int(device.index.rpartition("/")[2]), int(most) if re.fullmatch("[0-9]{1,2}", most) else 0)


async def _vacate(x: Requests, domain: Domain, device: Device) -> None:
    _, backend = await pointers(x, domain, paths.existing(domain, device))
    port = f"{backend}/port/{device.index.rpartition('/')[2]}"
    if backend and await read_text(x, port) is not None:
        await x.write(port, b"")


async def _numbers(x: Requests, domain: Domain) -> dict[str, int]:
    """The place that each PCI device has at the backend, by the toolstack's own copy: `num_devs` is the backend's."""
    folder = paths.of_kind(domain.domid, PCI)
    found = {i: await _number(x, f"{folder}/{i}") for i in await names(x, folder)}
    return {i: number for i, number in found.items() if number is not None}


async def _number(x: Requests, node: str) -> int | None:
    """A PCI device's place at the backend; None if that cannot be read."""
    text = await read_text(x, f"{node}/number") or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


async def _others(x: Requests, backend: str) -> set[int]:
    """The places that are taken at a backend of dom0's, which a driver domain cannot forge: libxl's own too."""
    if not backend.startswith(f"{paths.home(0)}/"):
        return set()
    return set(paths.pci_numbers(await names(x, backend)))


async def _enter_pci(x: Requests, domain: Domain, device: Device, plan: Layout) -> None:
    frontend = f"{paths.home(domain.domid)}/device/pci/0"
    backend = f"{paths.home(plan.backend_domid)}/backend/pci/{domain.domid}/0"
    taken = {*(await _numbers(x, domain)).values(), *await _others(x, backend)}
    number = next(n for n in range(len(taken) + 1) if n not in taken)
    if await read_text(x, backend) is None:
        ours, theirs = Permission(domain.domid, "n"), Permission(plan.backend_domid, "n")
        await _own(x, frontend, ours, Permission(plan.backend_domid, "r"))
        await _own(x, backend, theirs, Permission(domain.domid, "r"))
        await _write(x, frontend, {"backend": backend, "backend-id": str(plan.backend_domid), "state": INITIALISING})
        pair = {"frontend": frontend, "frontend-id": str(domain.domid), "online": "1", "state": INITIALISING}
        await _write(x, backend, {**pair, "domain": await read_text(x, paths.name(domain.domid)) or ""})
    else:
        await x.write(f"{backend}/state", RECONFIGURING.encode())
    nodes = {f"{name}-{number}": value for name, value in plan.back.items()}
    await _write(x, backend, {**nodes, f"state-{number}": INITIALISING, "num_devs": str(max({number, *taken}) + 1)})
    own = {"frontend": frontend, "backend": backend, "online": "1", "number": str(number), **plan.back}
    await _write(x, paths.existing(domain, device), own)


async def _leave_pci(x: Requests, domain: Domain, device: Device) -> None:
    """The device goes from the toolstack's own copy too: by that the last one is known, which takes the bus along."""
    numbers = await _numbers(x, domain)
    number = numbers.pop(device.index, None)
    node = paths.existing(domain, device)
    frontend, backend = await pointers(x, domain, node)
    await remove(x, node)
    others = {i: (await pointers(x, domain, f"{paths.of_kind(domain.domid, PCI)}/{i}"))[1] for i in numbers}
    numbers = {i: n for i, n in numbers.items() if others[i] == backend}
    foreign = await _others(x, backend or "") - {number, *numbers.values()}
    for folder, last in ((frontend, not others and not foreign), (backend, not numbers and not foreign)):
        if folder and last:
            await _prune(x, folder, paths.parent(paths.parent(paths.parent(folder))))
    if (numbers or foreign) and backend and await read_text(x, backend) is not None:
        for name in ("key", "dev", "opts", "state", "vdevfn", "name") if number is not None else ():
            await remove(x, f"{backend}/{name}-{number}")
        await x.write(f"{backend}/num_devs", str(max({*numbers.values(), *foreign}) + 1).encode())
