"""Where xenstore keeps what [docs/misc/xenstore-paths.pandoc, libxl_device.c]."""

from __future__ import annotations

import re
from collections.abc import Iterable

from confsync.impl.kinds import USBDEV, Device, Kind
from confsync.impl.ports import Domain

DOMAINS = "/local/domain"


def home(domid: int) -> str:
    """What the domain itself can read [`libxl__xs_get_dompath`]."""
    return f"{DOMAINS}/{domid}"


def name(domid: int) -> str:
    return f"{home(domid)}/name"


def vm(uuid: str) -> str:
    return f"/vm/{uuid}"


def private(domid: int) -> str:
    """What only the toolstack can write [`libxl__xs_libxl_path`]."""
    return f"/libxl/{domid}"


def lifecycle(domid: int) -> str:
    """The mark of a domain that is not whole, or that a save has paused."""
    return f"{private(domid)}/lifecycle"


def devices(domid: int) -> str:
    """What exists stands below this, and nowhere else [XSA-175, XSA-178]."""
    return f"{private(domid)}/device"


def of_kind(domid: int, kind: Kind) -> str:
    return f"{devices(domid)}/{kind.folder}"


def existing(domain: Domain, device: Device) -> str:
    """The node by which the device exists [`libxl__device_libxl_path`]."""
    return f"{of_kind(domain.domid, device.kind)}/{device.index}"


def controller(domain: Domain, device: Device) -> str:
    """The node by which a USB device's controller exists."""
    assert device.kind is USBDEV
    return existing(domain, device).rpartition("/port/")[0]


def memory(domid: int, what: str) -> str:
    return f"{home(domid)}/memory/{what}"


def vcpu(domid: int, number: int) -> str:
    return f"{home(domid)}/cpu/{number}/availability"


def is_frontend(path: str, domid: int) -> bool:
    """True for a folder where a device of the domain has its frontend."""
    return re.fullmatch(rf"{home(domid)}/device/[A-Za-z0-9_@-]+/[A-Za-z0-9_@-]+", path) is not None


def is_backend(path: str, domid: int) -> bool:
    """True for a folder where a device of the domain has its backend, in whatever domain."""
    return re.fullmatch(rf"{DOMAINS}/[0-9]+/backend/[A-Za-z0-9_@-]+/{domid}/[A-Za-z0-9_@-]+", path) is not None


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def pci_numbers(nodes: Iterable[str]) -> list[int]:
    """The numbers of the PCI devices at a backend, ascending. `nodes`: the names of the backend's nodes; that of a
    device is `dev-<number>` [libxl__device_pci_list]."""
    return sorted(int(node[4:]) for node in nodes if re.fullmatch("dev-[0-9]{1,5}", node))
