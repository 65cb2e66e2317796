"""What libxl's `retrieve` answers for a domain of a snapshot, worked out as libxl 4.17 does
[libxl_retrieve_domain_configuration, retrieve_domain_configuration_end].

It follows libxl in what libxl does wrong: a list that it cannot read is an empty one, USB devices are never listed, and
a domain without a name gets its template as the answer, and success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confsync.impl.audit.domain import Domain, pci_devices
from confsync.impl.audit.libxl_read import as_libxl_reads
from confsync.impl.audit.store import Nodes, number
from confsync.impl.configuration.media import path_of
from confsync.impl.configuration.memory import kept_back
from confsync.impl.configuration.template import Template, emptied
from confsync.impl.configuration.text import decode, read_bounded
from confsync.impl.errors import MalformedConfiguration
from confsync.impl.kinds import DISK, KINDS, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Entry, Json, Kind

KEPT = (P9, VKB)
"""The kinds whose entries it never leaves out: it has no comparison for them [device_type_tbl]."""
IGNORED = "Device present in JSON but not in xenstore, ignored"
NO_NAME = "Fail to get domain name"
QEMU = "qemu_xen"
Key = tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The configuration, in libxl's form; or the words for why there is none. `warnings`: what libxl says besides.
    `assumed`: what of the answer only the hypervisor or the device model knows."""

    config: dict[str, Json] | None
    failure: str
    warnings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def configuration(self) -> Template | None:
        """The configuration as a template. MalformedConfiguration if it is none that this toolstack can use."""
        return None if self.config is None else Template.of(self.config, "the answer")


def retrieve(domain: Domain, scheduling: Mapping[str, Json] | None = None) -> Answer:
    """The answer. `scheduling`: the scheduler's parameters, which only the hypervisor has; None: the template's are
    taken. OSError if the template's file cannot be read."""
    if domain.file is None:
        return Answer(None, "fails with ERROR_JSON_CONFIG_EMPTY")
    if domain.file.path is None:
        return Answer(None, "is not known: the snapshot has no copy of the template")
    try:
        source = str(domain.file.path)
        config = as_libxl_reads(decode(read_bounded(domain.file.path), source), source)
    except MalformedConfiguration:
        return Answer(None, "fails with ERROR_FAIL")
    if not domain.name:
        return Answer(config, "", (NO_NAME,))
    return _merge(domain, config, scheduling)


def failure(domain: Domain) -> str:
    """The words for what happens to a domain whose template this toolstack cannot read."""
    found = retrieve(domain)
    return found.failure or "answers, with what libxl makes of the template"


def _merge(domain: Domain, config: dict[str, Json], scheduling: Mapping[str, Json] | None) -> Answer:
    kind = next((key[5:] for key in _part(config, "b_info") if key.startswith("type.")), "")
    if kind not in ("pv", "pvh", "hvm"):
        return Answer(None, "aborts: the template says no type of domain")
    if kind == "hvm" and domain.host.store.models.get(domain.domid) != QEMU:
        return Answer(None, f"aborts: /libxl/{domain.domid}/dm-version is not {QEMU}")
    target, limit = number(domain.local.get("memory/target")), number(domain.local.get("memory/static-max"))
    if target is None or limit is None:
        return Answer(None, "fails with ERROR_FAIL")
    build = _part(config, "b_info")
    unset = -1 if domain.local.get("memory/videoram") == "-1" else 0  # LIBXL_MEMKB_DEFAULT, which is -1 KiB
    fudge = kept_back(build, _kb(build.get("video_memkb"), 0) or unset, hvm=kind == "hvm")
    build["avail_vcpus"] = _online(domain, build, hvm=kind == "hvm")
    build["target_memkb"], build["max_memkb"] = target + fudge, limit
    assumed = ["avail_vcpus, which QEMU is asked for"] if kind == "hvm" else []
    if scheduling is None:
        assumed.append("sched_params, which the hypervisor is asked for")
    else:
        build["sched_params"] = dict(scheduling)
    info = _part(config, "c_info")
    info["name"] = domain.name
    if domain.uuid:
        info["uuid"] = domain.uuid
    config["c_info"], config["b_info"] = info, build
    gone = _leave_out(domain, config)
    return Answer(as_libxl_reads(config, "the answer"), "", (IGNORED,) * gone, tuple(assumed))


def _part(config: Mapping[str, Json], name: str) -> dict[str, Json]:
    found = config.get(name)
    return dict(found) if isinstance(found, dict) else {}


def _kb(value: Json, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _online(domain: Domain, build: Mapping[str, Json], *, hvm: bool) -> list[Json]:
    """The vcpus that are online. Of an HVM domain QEMU says it, which never takes one away: those that it was created
    with and those that xenstore has online now."""
    there = domain.host.store.vcpus.get(domain.domid, {})
    given = build.get("avail_vcpus")
    first = given if hvm and isinstance(given, list) else []
    count = _kb(build.get("max_vcpus"), 0)
    return [n for n in range(min(count, 4096)) if there.get(str(n)) == "online" or n in first]


def _leave_out(domain: Domain, config: dict[str, Json]) -> int:
    """Leave out the entries of devices that xenstore does not have, and empty the drives that are empty there. How
    many were left out [MERGE, libxl_device_disk_merge]."""
    gone = 0
    for kind, fields in _COMPARED:
        entries = config.get(kind.array)
        if not isinstance(entries, list):
            continue
        listed = _LISTED.get(kind.name, _by_index)(domain, kind)
        kept: list[Json] = []
        for entry in entries:
            assert isinstance(entry, dict)
            nodes = listed.get(tuple(_field(kind, entry, name) for name in fields))
            if nodes is None:
                gone += 1
            else:
                kept.append(emptied(entry) if kind is DISK and _is_emptied(nodes) else entry)
        config[kind.array] = kept
    return gone


def _is_emptied(nodes: Nodes) -> bool:
    return bool(number(nodes.get("removable"))) and not path_of(nodes.get("params"))


def _field(kind: Kind, entry: Entry, name: str) -> Json:
    """A key's field as libxl compares it: one that is left out has its default."""
    return entry.get(name, None if kind is DISK else -1 if name in ("devid", "ctrl") else 0)


def _existing(domain: Domain, kind: Kind) -> dict[str, Nodes]:
    """What xenstore has of the kind: nothing if one of them cannot be read [libxl__device_list]."""
    if domain.unreadable.get(kind.name):
        return {}
    return domain.existing.get(kind.name, {})


def _by_index(domain: Domain, kind: Kind) -> dict[Key, Nodes]:
    found = _existing(domain, kind)
    if kind in _NEED_BACKEND and any("backend" not in nodes for nodes in found.values()):
        return {}
    return {(int(index),): nodes for index, nodes in found.items()}


def _disks(domain: Domain, kind: Kind) -> dict[Key, Nodes]:
    folders = {folder for folder, _ in domain.devices if folder in ("vbd", "virtio_disk")}
    if len(folders) > 1:
        return {}  # an error to libxl, and so an empty list [libxl__device_disk_get_path]
    return {(nodes["dev"],): nodes for nodes in _existing(domain, kind).values()}


def _nics(domain: Domain, kind: Kind) -> dict[Key, Nodes]:
    return {(number(nodes.get("handle")) or 0,): nodes for nodes in _existing(domain, kind).values()}


def _usbdevs(domain: Domain, _kind: Kind) -> dict[Key, Nodes]:
    """One that stands for nothing for each controller, as the type has no reader [libxl__usbdev_devtype]."""
    return {(-1, 0): {}} if domain.existing.get(USBCTRL.name) else {}


def _pci(domain: Domain, _kind: Kind) -> dict[Key, Nodes]:
    return {tuple(PCI.to_key(index).values()): {} for index in pci_devices(domain)}


_NEED_BACKEND = (VTPM, VDISPL, VSND)
_COMPARED = tuple((kind, kind.key) for kind in (DISK, NIC, VTPM, USBCTRL, USBDEV, PCI, VDISPL, VSND))
"""libxl's order [device_type_tbl]."""
assert {kind.name for kind, _ in _COMPARED} | {kind.name for kind in KEPT} == set(KINDS)
_LISTED: Mapping[str, Callable[[Domain, Kind], dict[Key, Nodes]]] = {
    DISK.name: _disks, NIC.name: _nics, USBDEV.name: _usbdevs, PCI.name: _pci,
}  # fmt: skip
