"""A domain as an audit sees it: both sides of it, and what exists."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.finding import shown
from confsync.impl.audit.host import DOM0, Host, uuid_of
from confsync.impl.audit.store import Nodes, Place, number
from confsync.impl.audit.userdata import Userdata
from confsync.impl.configuration.template import Template
from confsync.impl.configuration.text import read_bounded
from confsync.impl.errors import InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import DISK, KINDS, NIC, PCI, USBDEV, Device, Kind

BY_FOLDER: dict[str, Kind] = {kind.folder: kind for kind in KINDS.values() if kind not in (PCI, USBDEV)}
BY_FOLDER["virtio_disk"] = DISK
IMPLICIT = ("console", "vfb", "pvcalls", "virtio", "suspend")
"""Folders of devices that no list of a template has, or that libxl adds by itself."""
MUST_HAVE = {DISK.name: ("backend", "type", "dev", "removable", "mode", "device-type"), NIC.name: ("backend",)}
"""The nodes without which libxl can't read a device [libxl__disk_from_xenstore, libxl__nic_from_xenstore]."""
PCI_ROOT = "/local/domain/0/backend/pci"
"""libxl lists PCI devices there, and only there [libxl_device_pci_list]."""
_BDF = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")


@dataclass(slots=True)
class Domain:
    """A domain that xenstore knows, or half knows."""

    domid: int
    host: Host
    uuid: str
    local: Nodes
    """What is kept of `/local/domain/<domid>`."""
    devices: dict[Place, Nodes]
    """What is kept of `/libxl/<domid>/device`."""
    file: Userdata | None
    """Its template's file."""
    template: Template | None
    broken: MalformedConfiguration | None
    """Why the template cannot be read."""
    passed_over: list[str] = field(default_factory=list)
    """What of the template's file is not read."""
    existing: dict[str, dict[str, Nodes]] = field(default_factory=dict)
    """By kind and index, what exists: of the kinds that a template lists."""
    unreadable: dict[str, list[str]] = field(default_factory=dict)
    """By kind, the devices that libxl can't read; then it can't read any of the kind [libxl__device_list]."""

    @property
    def name(self) -> str:
        """The name that xenstore has for it, or nothing."""
        return self.local.get("name", "")

    @property
    def is_stub(self) -> bool:
        """True for a device model's domain: it has no template [libxl, 15e9e36ddd]."""
        return "target" in self.local

    @property
    def is_foreign(self) -> bool:
        """True for a domain of another toolstack, or none at all: there is no file for it, and nothing below
        `/libxl/<domid>` that libxl makes with each of its domains. xapi writes `dm-version` there, and nothing else."""
        return self.domid not in self.host.store.made and not self.host.of_domain.get(self.domid)


def open_domain(host: Host, domid: int) -> Domain:
    """The domain, its template read."""
    store = host.store
    uuid = uuid_of(store, domid)
    templates = [file for file in host.of_domain.get(domid, ()) if file.is_template]
    file = next((f for f in templates if f.uuid == uuid), None)
    if file is None and len(templates) == 1 and (domid == DOM0 or not uuid):
        file = templates[0]
    passed_over: list[str] = []
    template, broken = _read(file, passed_over) if file and file.path else (None, None)
    if file is None and len(templates) == 1 and templates[0].path:
        kept, why = _read(templates[0], passed_over)
        if kept and kept.name and store.local.get(domid, {}).get("name", "").startswith(f"{kept.name}-"):
            file, template, broken = templates[0], kept, why  # preserved after a crash [libxl_domain_preserve]
    found = Domain(
        domid, host, uuid or (file.uuid if file else ""), store.local.get(domid, {}), store.libxl.get(domid, {}),
        file, template, broken, passed_over,
    )  # fmt: skip
    _list_devices(found)
    return found


def _read(file: Userdata, passed_over: list[str]) -> tuple[Template | None, MalformedConfiguration | None]:
    assert file.path
    try:
        return Template.parse(read_bounded(file.path), str(file.path), notes=passed_over), None
    except MalformedConfiguration as e:
        return None, e
    except FileNotFoundError:
        return None, None
    except OSError as e:
        raise BadInput(file.path, 0, e.strerror or str(e)) from None


def _list_devices(domain: Domain) -> None:
    for (folder, index), nodes in domain.devices.items():
        kind = BY_FOLDER.get(folder)
        if kind is None:
            continue
        if not index.isascii() or not index.isdigit() or not nodes.keys() >= set(MUST_HAVE.get(kind.name, ())):
            domain.unreadable.setdefault(kind.name, []).append(index)
        else:
            domain.existing.setdefault(kind.name, {})[index] = nodes
    ports = domain.host.store.ports.get(domain.domid)
    if ports:
        domain.existing[USBDEV.name] = {index: {} for index in ports}
    for index in pci_devices(domain):
        domain.existing.setdefault(PCI.name, {})[index] = {}


def pci_devices(domain: Domain) -> dict[str, int]:
    """By their indices, the PCI devices that libxl lists for the domain, and the number of each's nodes."""
    nodes = domain.host.store.backends.get(f"{PCI_ROOT}/{domain.domid}/0", {})
    count = number(nodes.get("num_devs")) or 0
    found: dict[str, int] = {}
    for name, value in nodes.items():
        if name.startswith("dev-") and int(name[4:]) < count:
            bdf = _BDF.fullmatch(value)
            if bdf:
                found["-".join(bdf.groups())] = int(name[4:])
    return found


def device_name(kind: Kind | None, folder: str, index: str) -> str:
    """A device as one says it, even if there can be none."""
    try:
        if kind:
            return str(Device(kind, index))
    except InvalidArgument:
        pass
    said = f"{kind or folder} {index}"
    return said if re.fullmatch(r"[\w/. -]{1,60}", said) else shown(said)[1:-1]
