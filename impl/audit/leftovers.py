"""What belongs to no device and no domain: backends, frontends, files, what is below /vm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from confsync.impl.audit.domain import BY_FOLDER, Domain, device_name
from confsync.impl.audit.finding import Finding, invariant, shown
from confsync.impl.audit.host import DOM0, Host, uuid_of
from confsync.impl.audit.say import detach, entry_of, written
from confsync.impl.audit.store import DEVICE, domid_of
from confsync.impl.audit.userdata import Userdata
from confsync.impl.kinds import Kind

_FOLDER = {
    "qdisk": "vbd",
    "tap": "vbd",
    "tap2": "vbd",
    "qusb": "vusb",
    "vbd3": "vbd",
    "xen_9pfs": "9pfs",
    "vinput": "vkbd",
    "qnic": "vif",
}
"""The folders of the kinds of backend that are named otherwise [libxl__device_kind]."""
_KNOWN = frozenset((*BY_FOLDER, "console", "vfb", "pci", "pvcalls"))


def loose_backends(host: Host) -> dict[int, list[str]]:
    """By the domains that they serve, the paths of the backends that no device has."""
    devices = host.store.libxl
    taken = {nodes["backend"] for below in devices.values() for nodes in below.values() if "backend" in nodes}
    found: dict[int, list[str]] = {}
    for path in sorted(host.store.backends.keys() - taken):
        _, _, _, _, _, kind, owned, index = path.split("/")
        if kind == "pci" and owned.isdigit() and int(owned) in host.store.local:
            continue  # since Xen 4.15 libxl lists these here, and has no node of its own [0fdb48ffe7]
        place = (_FOLDER.get(kind, kind), index)
        # A device without the name of its backend is not whole, and told as such.
        if domid_of(owned) is not None and "backend" in devices.get(int(owned), {}).get(place, {"backend": ""}):
            found.setdefault(int(owned), []).append(path)
    return found


def check_ends(host: Host, domains: Mapping[int, Domain], loose: Mapping[int, list[str]]) -> Iterator[Finding]:
    """Backends, the loose ones, and frontends without a device."""
    if not host.store.has_libxl:
        return
    devices = host.store.libxl
    frontends = {nodes["frontend"] for below in devices.values() for nodes in below.values() if "frontend" in nodes}
    told: set[str] = set()
    for domid, paths in loose.items():
        for path in () if _is_others(host, domains, domid) else paths:
            _, _, _, owner, _, kind, _, index = path.split("/")
            folder = _FOLDER.get(kind, kind)
            frontend = f"/local/domain/{domid}/device/{folder}/{index}"
            told.add(frontend)
            yield _backend(host, domid, domains.get(domid), path, owner, folder, index, frontend)
    for path in sorted(host.store.frontends - frontends - told):
        parts = path.split("/")
        domid = int(parts[3])
        if len(parts) == 7 and parts[5] in _KNOWN and not _is_others(host, domains, domid):
            place = (parts[5], parts[6])
            if place not in devices.get(domid, {}) and not _has_pci(host, domid, place):
                yield _frontend(host, domains.get(domid), path, parts[5], parts[6])


def _has_pci(host: Host, domid: int, place: tuple[str, str]) -> bool:
    """True if the domain's PCI devices are at this place: a backend has them, and nothing else says so."""
    return place[0] == "pci" and any(
        path.split("/")[5:7] == ["pci", str(domid)] for path in host.store.backends if "/pci/" in path
    )


def _is_others(host: Host, domains: Mapping[int, Domain], domid: int) -> bool:
    """True for the domains of another toolstack. Dom0's own devices are only libxl's if libxl has any of them."""
    domain = domains.get(domid)
    if domain is None:  # it is gone: whose it was is not known, unless libxl is at work here
        guests = host.store.local.keys() - {DOM0}
        return host.store.others or (bool(guests) and not host.store.made & guests)
    return domain.is_foreign or (domid in host.store.local and domid in host.store.made - host.store.listed)


def _backend(
    host: Host, domid: int, domain: Domain | None, path: str, owner: str, folder: str, index: str, frontend: str
) -> Finding:
    nodes = host.store.backends[path]
    alive = domid in host.store.local
    kind = BY_FOLDER.get(folder)
    device = device_name(kind, folder, index)
    template = entry_of(domain, kind, index) if domain else "none"
    said = [f"{name} {shown(nodes[name])}" for name in ("state", "online", "hotplug-status") if name in nodes]
    also = f"; its frontend {shown(frontend)} is there too" if frontend in host.store.frontends else ""
    forged = "" if owner == str(DOM0) else f"; domain {owner} writes this, and can forge it"
    whose = f"and no /libxl/{domid}/device/{folder}/{index}" if alive else f"and there is no domain {domid}"
    return Finding(
        invariant("resources_have_xenstore"), domid, shown(domain.uuid)[1:-1] if domain else "",
        shown(domain.name)[1:-1] if domain and domain.name else "", device, template,
        f"{shown(path)} is there ({', '.join(said)}) {whose}{also}{forged}",
        f"leaves {device} out, though the host holds it" if alive else "there is no domain to ask for",
        _release(host, domid, path, kind, folder, index, frontend, alive=alive, also=bool(also)),
        f"{shown(path)} is there, and what the toolstack lists does not name it"
        + ("; the domain is there, and may use it" if alive else f"; there is no /local/domain/{domid}"),
        host.source,
    )  # fmt: skip


def _release(
    host: Host,
    domid: int,
    path: str,
    kind: Kind | None,
    folder: str,
    index: str,
    frontend: str,
    *,
    alive: bool,
    also: bool,
) -> str:
    """Who removes a backend's node alone leaves it connected. A living domain's is put back among the devices, and then
    the toolstack detaches it, which runs the scripts and removes both ends."""
    own = f"/libxl/{domid}/device/{folder}/{index}"
    if (folder, index) in host.store.libxl.get(domid, {}):
        return (
            f"look at `xenstore-ls -f {own}` and `xenstore-ls -f {path}`: the device has another backend by now, and "
            f"`xenstore-rm {path}` removes the old one, if its state is 6"
        )
    if not alive:
        removes = f"`xenstore-rm {path}`" + (f", `xenstore-rm {frontend}`" if also else "")
        return f"if `{host.commands} list` has no domain {domid}: {removes}"
    if kind is None:
        return f"look at `xenstore-ls -f {path}`: no command takes it away, and it goes with the domain"
    nodes = {name: value for name, value in host.store.backends[path].items() if name in DEVICE}
    nodes |= {"frontend": frontend, "backend": path, "online": "1"}
    back = ", ".join(written(f"{own}/{name}", nodes[name]) for name in sorted(nodes))
    return (
        f"put it back where the toolstack lists it: {back}; then, if the guest is not to have it, "
        f"{detach(host, kind, domid, index, force=True)}"
    )


def _frontend(host: Host, domain: Domain | None, path: str, folder: str, index: str) -> Finding:
    domid = int(path.split("/")[3])
    device = device_name(BY_FOLDER.get(folder), folder, index)
    return Finding(
        invariant("frontend_has_device"), domid, shown(domain.uuid)[1:-1] if domain else "",
        shown(domain.name)[1:-1] if domain and domain.name else "", device, "not looked at: xenstore says what exists",
        f"{shown(path)} is there, and no /libxl/{domid}/device/{folder}/{index}; the guest may have written it",
        f"leaves {device} out: what a guest can write is never believed", f"`xenstore-rm {path}`",
        "nothing is listed for it, and no backend is there", host.source,
    )  # fmt: skip


def check_files(host: Host, domains: Mapping[int, Domain]) -> Iterator[Finding]:
    """Files whose domain is gone; locks and unfinished files of those that live."""
    for (domid, uuid), group in groupby(host.files, key=lambda file: (file.domid, file.uuid)):
        files = list(group)
        domain = domains.get(domid)
        lives = domid == DOM0 or (domid in host.store.local and uuid_of(host.store, domid) in ("", uuid))
        kept = domid in host.store.local and domain and domain.file and domain.file.uuid == uuid
        if not lives and not kept:
            yield _outlived(host, domid, uuid, files)
            continue
        locks = [f for f in files if f.letter == "l"]
        unfinished = [f for f in files if f.letter == "n"]
        if locks:
            yield _left(host, domain, "lock_is_free", locks, "the next operation takes the lock and removes the file")
        if unfinished:
            yield _left(host, domain, "temporary_is_gone", unfinished, "the next write replaces it")


def _names(files: list[Userdata]) -> str:
    return ", ".join(f"`{file}`" for file in files)


def _outlived(host: Host, domid: int, uuid: str, files: list[Userdata]) -> Finding:
    now = uuid_of(host.store, domid)
    if domid in host.store.local:
        xenstore = f"domain {domid} has another uuid now, {shown(now)}"
        answer = "does not look at it; a domain made with this number and uuid would meet it"
        seen = f"{shown(f'/local/domain/{domid}/vm')} names another uuid"
        mend = (
            f"`rm {' '.join(str(f) for f in files)}` in libxl's folder, unless the domain was preserved after a crash"
        )
    else:
        xenstore = f"there is no domain {domid}"
        answer = "fails with ERROR_DOMAIN_NOTFOUND if the domain is gone; a later one with its number and uuid meets it"
        seen = f"xenstore has no {shown(f'/local/domain/{domid}')}"
        look = f"if `xl list` has no domain {domid}" if host.commands == "xl" else "if no creation is under way"
        mend = f"{look}: `rm {' '.join(str(f) for f in files)}` in the folder of the templates"
        if host.commands == "xl":
            mend += "; if it has, its destruction was cut, and has to be run again"
    where = next((str(f.path) for f in files if f.path), host.source)
    return Finding(
        invariant("userdata_dies_with_domain"), domid, uuid, "", "", f"{_names(files)} still there", xenstore, answer,
        mend, seen, where,
    )  # fmt: skip


def _left(host: Host, domain: Domain | None, what: str, files: list[Userdata], then: str) -> Finding:
    return Finding(
        invariant(what), files[0].domid, files[0].uuid,
        shown(domain.name)[1:-1] if domain and domain.name else "", "", f"{_names(files)} there",
        f"domain {files[0].domid} is there",
        "is the same with and without it",
        f"nothing, if an operation is under way; if one was killed, {then}",
        "the files' names",
        next((str(f.path) for f in files if f.path), host.source),
    )  # fmt: skip


def check_vm(host: Host) -> Iterator[Finding]:
    """What is below /vm for no domain."""
    if not host.store.has_libxl:
        return
    if host.store.others:
        return
    linked = {uuid_of(host.store, domid) for domid in host.store.local}
    for uuid in host.store.vms.keys() - linked:
        name = host.store.vms[uuid].get("name", "")
        yield Finding(
            invariant("vm_dies_with_domain"), None, shown(uuid)[1:-1], shown(name)[1:-1] if name else "", "",
            "not looked at", f"/vm/{shown(uuid)[1:-1]} is there, and no domain's `vm` leads to it",
            "there is no domain to ask for",
            f"`xenstore-rm /vm/{shown(uuid)[1:-1]}`, if no domain of this uuid is being created or received",
            "no domain's `vm` names it",
            host.source,
        )  # fmt: skip
