"""What libxl writes into xenstore for a device of each kind [`libxl__set_xenstore_*`, `libxl__device_generic_add`].

The guest owns its frontend's nodes, the driver domain its backend's, and neither is ever believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confsync.impl.configuration.template import is_ejectable, is_empty, is_set
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import (
    DISK,
    MOST_DEVID,
    MOST_UINT32,
    NIC,
    P9,
    PCI,
    USBCTRL,
    USBDEV,
    VDISPL,
    VKB,
    VSND,
    VTPM,
    Device,
    Entry,
    Json,
    Kind,
)
from confsync.impl.operations import paths
from confsync.impl.ports import Domain

INITIALISING, INIT_WAIT, CONNECTED, CLOSING, CLOSED, RECONFIGURING = "1", "2", "4", "5", "6", "7"
"""States of a frontend or a backend [xen/include/public/io/xenbus.h]."""

Nodes = dict[str, str]
"""Names below a device's folder, and their values."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is written for one device. `frontend`, `backend`: the folders; "" where the kind has none of its own."""

    backend_domid: int
    frontend: str
    backend: str
    front: Nodes
    back: Nodes


def layout(domain: Domain, device: Device, entry: Entry, backend_domid: int = 0) -> Layout:
    """What is written for a device whose backend is in that domain. InvalidArgument if its entry does not say enough,
    or says it in a wrong way."""
    kind = _backend(device.kind, entry)
    if device.kind in (PCI, USBDEV):
        front, back = _SPECIFIC[device.kind.name](device, entry)
        return Layout(backend_domid, "", "", front, back)
    frontend = f"{paths.home(domain.domid)}/device/{device.kind.folder}/{device.index}"
    backend = f"{paths.home(backend_domid)}/backend/{kind}/{domain.domid}/{device.index}"
    front = {"backend": backend, "backend-id": str(backend_domid), "state": INITIALISING}
    back = {"frontend": frontend, "frontend-id": str(domain.domid), "online": "1", "state": INITIALISING}
    more_front, more_back = _SPECIFIC[device.kind.name](device, entry)
    if entry.get("trusted") == "False":
        more_front["trusted"] = "0"
    return Layout(backend_domid, frontend, backend, front | more_front, back | more_back)


def params(entry: Entry) -> str:
    """The medium of an ejectable drive, as xenstore names it; "" for none [`libxl__device_disk_string_of_format`]."""
    if is_empty(entry):
        return ""
    form = {"raw": "aio"}.get(_text(entry, "format") or "raw", _text(entry, "format"))
    return f"{form}:{_text(entry, 'pdev_path')}"


def _backend(kind: Kind, entry: Entry) -> str:
    """xenstore's name of the kind of backend: an ejectable drive is QEMU's."""
    return "qdisk" if kind is DISK and _is_qdisk(entry) else kind.backend


def driver_domain(entry: Entry) -> int | str:
    """The domain that a device's backend is in: its number, or its name. InvalidArgument."""
    name = _text(entry, "backend_domname")
    if not name:
        return _whole(entry, "backend_domid", 0)
    return int(name) if name.isascii() and name.isdigit() else name


def _is_qdisk(entry: Entry) -> bool:
    if _text(entry, "backend") == "qdisk" or is_ejectable(entry):
        return True
    return _text(entry, "format") in ("qcow", "qcow2", "vhd", "qed")


def _disk(device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    cdrom, qdisk = is_ejectable(entry), _is_qdisk(entry)
    kind = "cdrom" if cdrom else "disk"
    front = {"virtual-device": device.index, "device-type": kind, "trusted": "1"}
    back = {
        "params": params(entry) if qdisk else _text(entry, "pdev_path"),
        "script": _text(entry, "script") or "/etc/xen/scripts/block",
        "removable": "1" if cdrom else "0",
        "bootable": "1",
        "dev": str(entry["vdev"]),
        "type": "qdisk" if qdisk else "phy",
        "mode": "w" if is_set(entry, "readwrite") and not cdrom else "r",
        "device-type": kind,
        "specification": _text(entry, "specification") or "xen",
    }
    if qdisk:
        del back["script"]
    return front, back


def _nic(device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    mac, script = _text(entry, "mac"), _text(entry, "script") or "vif-bridge"
    back = {
        "script": script if script.startswith("/") else f"/etc/xen/scripts/{script}",
        "mac": mac,
        "bridge": _text(entry, "bridge"),
        "handle": device.index,
        "type": _text(entry, "nictype") or "vif",
    }
    mtu = {"mtu": str(_whole(entry, "mtu", 0))} if entry.get("mtu") is not None else {}
    return {"handle": device.index, "mac": mac, "trusted": "1"} | mtu, {k: v for k, v in back.items() if v} | mtu


def _vtpm(device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    return {"handle": device.index}, {"handle": device.index, "uuid": _text(entry, "uuid"), "resume": "False"}


def _usbctrl(_device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    free = {f"port/{n}": "" for n in range(1, ports(entry) + 1)}
    kind, version = _text(entry, "type") or "pv", _whole(entry, "version", 2) or 2
    return {}, {"type": kind, "usb-ver": str(version), "num-ports": str(ports(entry))} | free


def ports(controller: Entry) -> int:
    """How many ports a USB controller has; 0 is not given, as it is to libxl [libxl__device_usbctrl_setdefault]."""
    return _whole(controller, "ports", 8) or 8


def _usbdev(_device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    return {}, {"busid": _text(_section(entry, "type.hostdev"), "busid") or _host_address(entry)}


def _host_address(entry: Entry) -> str:
    host = _section(entry, "type.hostdev")
    return f"{_whole(host, 'hostbus', 0)}-{_whole(host, 'hostaddr', 0)}"


def _pci(device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    address = _pci_address(device)
    options = [f"{name}={int(is_set(entry, name))}" for name in ("msitranslate", "power_mgmt", "permissive")]
    policy = _text(entry, "rdm_policy")
    options.append(
        f"rdm_policy={policy if policy not in ('', 'invalid') else 'strict'}"
    )  # libxl__device_pci_setdefault
    slot, name = _whole(entry, "vdevfn", 0, MOST_UINT32), _text(entry, "name")
    more = ({"vdevfn": f"{slot:x}"} if slot else {}) | ({"name": name} if name else {})
    return {}, {"key": address, "dev": address, **more, "opts": ",".join(options)}


def _pci_address(device: Device) -> str:
    segment, bus, dev, func = device.index.split("-")
    return f"{segment}:{bus}:{dev}.{func}"


def _p9(_device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    tag, path = _text(entry, "tag"), _text(entry, "path")
    return {"tag": tag}, {"path": path, "security_model": _text(entry, "security_model") or "none"}


def _vdispl(_device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    front = {"be-alloc": str(int(is_set(entry, "be_alloc")))}
    connectors = entry.get("connectors")
    for n, connector in enumerate(connectors if isinstance(connectors, list) else []):
        if isinstance(connector, Mapping):
            front[f"{n}/unique-id"] = _text(connector, "unique_id")
            front[f"{n}/resolution"] = f"{_whole(connector, 'width', 0)}x{_whole(connector, 'height', 0)}"
    return front, {}


def _vsnd(_device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    names = {"long-name": _text(entry, "long_name"), "short-name": _text(entry, "short_name")}
    return {k: v for k, v in names.items() if v}, {}


def _vkb(_device: Device, entry: Entry) -> tuple[Nodes, Nodes]:
    unique = _text(entry, "unique_id")
    return ({"unique-id": unique} if unique else {}), {}


_SPECIFIC: Mapping[str, Callable[[Device, Entry], tuple[Nodes, Nodes]]] = {
    DISK.name: _disk,
    NIC.name: _nic,
    VTPM.name: _vtpm,
    USBCTRL.name: _usbctrl,
    USBDEV.name: _usbdev,
    PCI.name: _pci,
    P9.name: _p9,
    VDISPL.name: _vdispl,
    VSND.name: _vsnd,
    VKB.name: _vkb,
}


def _text(entry: Entry, name: str) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArgument(f"`{name}` is {value!r}, and must be a text")
    if "\0" in value:
        raise InvalidArgument(f"`{name}` holds a NUL character")
    return value


def _whole(entry: Entry, name: str, otherwise: int, most: int = MOST_DEVID) -> int:
    value = entry.get(name)
    value = otherwise if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidArgument(f"`{name}` is {value!r}, and must be a whole number")
    return value


def _section(entry: Entry, name: str) -> Mapping[str, Json]:
    value = entry.get(name) or {}
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"`{name}` is {value!r}, and must be an object")
    return value
