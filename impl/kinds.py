"""The kinds of device: where the template and xenstore keep each, and by what a device is known to the guest.

One table. A device's *key* is what the template's entry is found by, its *index* the name of its node below
`/libxl/<domid>/device/<folder>`; either follows from the other [`libxl_device_type`, COMPARE_* in libxl_internal.h].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from confsync.impl.errors import InvalidArgument
from confsync.impl.vdev import device_number, virtual_name

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Entry = Mapping[str, Json]
"""A device as the template has it."""
MOST_DEVID = 2**31 - 1
MOST_UINT32 = 2**32 - 1
MOST_DOMID = 0x7FEF
"""The largest number of a domain [DOMID_FIRST_RESERVED, xen/include/public/xen.h]."""
MOST_PORT = 31
"""The most ports of a USB controller, which are numbered from 1 [USBIF_MAX_PORTNR, xen/include/public/io/usbif.h]."""
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device."""

    name: str
    array: str
    """The template's list of them."""
    folder: str
    """xenstore's name of the kind [`libxl__device_kind`]."""
    backend: str
    """xenstore's name of the kind of backend."""
    key: tuple[str, ...]
    """The fields by which an entry is known."""
    to_index: Callable[[Entry], str] = field(repr=False)
    """The name of the node. InvalidArgument if the entry has no proper key."""
    to_key: Callable[[str], dict[str, Json]] = field(repr=False)
    """The fields that the name of the node stands for. InvalidArgument if it is no such name."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a domain: its kind, and which one."""

    kind: Kind
    index: str

    def __str__(self) -> str:
        """As `confsync domain detach` takes it: the kind, and what the device is known by."""
        try:
            key = self.kind.to_key(self.index)
        except InvalidArgument:
            return f"{self.kind} {self.index}"
        if self.kind is PCI:
            segment, bus, dev, func = self.index.split("-")
            return f"{self.kind} {segment}:{bus}:{dev}.{func}"
        return f"{self.kind} {'/'.join(str(v) for v in key.values())}"


def _whole(entry: Entry, name: str, most: int = MOST_DEVID, otherwise: int | None = None, *, least: int = 0) -> int:
    value = entry.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
        raise InvalidArgument(f"`{name}` is {shown}, and must be a whole number from {least} to {most}")
    return value


def _number(text: str) -> int:
    if not _INDEX.fullmatch(text) or int(text) > MOST_DEVID:
        raise InvalidArgument(f"{text!r} is no device's number")
    return int(text)


def _devid_index(entry: Entry) -> str:
    return str(_whole(entry, "devid"))


def _devid_key(index: str) -> dict[str, Json]:
    return {"devid": _number(index)}


def _disk_index(entry: Entry) -> str:
    vdev = entry.get("vdev")
    if not isinstance(vdev, str):
        raise InvalidArgument(f"`vdev` is {vdev!r}, and must be a name such as xvda or hdc")
    return str(device_number(vdev))


def _disk_key(index: str) -> dict[str, Json]:
    return {"vdev": virtual_name(_number(index))}


_PCI_PARTS = {"domain": 0xFFFF, "bus": 0xFF, "dev": 0x1F, "func": 7}
_PCI_INDEX = re.compile(r"([0-9a-f]{4})-([0-9a-f]{2})-([0-9a-f]{2})-([0-7])")


def _pci_index(entry: Entry) -> str:
    segment, bus, dev, func = (_whole(entry, part, most, 0) for part, most in _PCI_PARTS.items())
    return f"{segment:04x}-{bus:02x}-{dev:02x}-{func}"


def _pci_key(index: str) -> dict[str, Json]:
    found = _PCI_INDEX.fullmatch(index)
    if not found:
        raise InvalidArgument(f"{index!r} is no PCI device's address")
    return dict(zip(_PCI_PARTS, (int(part, 16) for part in found.groups()), strict=True))


def _usb_index(entry: Entry) -> str:
    return f"{_whole(entry, 'ctrl')}/port/{_whole(entry, 'port', MOST_PORT, least=1)}"


def _usb_key(index: str) -> dict[str, Json]:
    ctrl, middle, port = [*index.split("/"), "", ""][:3]
    if index.count("/") != 2 or middle != "port":
        raise InvalidArgument(f"{index!r} is no USB device's port")
    if not 1 <= (number := _number(port)) <= MOST_PORT:
        raise InvalidArgument(f"{index!r} is no USB device's port: the ports are 1 to {MOST_PORT}")
    return {"ctrl": _number(ctrl), "port": number}


def _by_devid(name: str, array: str, folder: str) -> Kind:
    return Kind(name, array, folder, folder, ("devid",), _devid_index, _devid_key)


DISK = Kind("disk", "disks", "vbd", "vbd", ("vdev",), _disk_index, _disk_key)
NIC = _by_devid("nic", "nics", "vif")
VTPM = _by_devid("vtpm", "vtpms", "vtpm")
USBCTRL = _by_devid("usbctrl", "usbctrls", "vusb")
USBDEV = Kind("usbdev", "usbdevs", "vusb", "vusb", ("ctrl", "port"), _usb_index, _usb_key)
PCI = Kind("pci", "pcidevs", "pci", "pci", tuple(_PCI_PARTS), _pci_index, _pci_key)
P9 = _by_devid("p9", "p9s", "9pfs")
VDISPL = _by_devid("vdispl", "vdispls", "vdispl")
VSND = _by_devid("vsnd", "vsnds", "vsnd")
VKB = _by_devid("vkb", "vkbs", "vkbd")

KINDS: dict[str, Kind] = {k.name: k for k in (DISK, NIC, VTPM, USBCTRL, USBDEV, PCI, P9, VDISPL, VSND, VKB)}


def device_of(kind: Kind, entry: Entry) -> Device:
    """The device that a template's entry is about. InvalidArgument if the entry has no proper key."""
    return Device(kind, kind.to_index(entry))
