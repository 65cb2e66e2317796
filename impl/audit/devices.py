"""Each device that exists, held against its entry, its backend and its frontend."""

from __future__ import annotations

from collections.abc import Iterator

from confsync.impl.audit.answer import KEPT, failure
from confsync.impl.audit.domain import BY_FOLDER, MUST_HAVE, Domain, device_name, pci_devices
from confsync.impl.audit.finding import Finding, shown
from confsync.impl.audit.host import DOM0
from confsync.impl.audit.say import UNDER_WAY, detach, entry_of, entry_said, of_domain, written
from confsync.impl.audit.store import Nodes
from confsync.impl.configuration.implicit import unaccounted
from confsync.impl.configuration.media import path_of, says_empty
from confsync.impl.configuration.template import is_empty
from confsync.impl.kinds import DISK, KINDS, NIC, Device, Entry, Kind

SCRIPT_RAN = "connected"
SCRIPTED = (["vbd"], ["vbd3"], ["vif"])
"""The kinds of backend whose hotplug script somebody runs, as part of a path."""


def check_nodes(domain: Domain) -> Iterator[Finding]:
    """The devices that xenstore has: whole, with a backend and a frontend, neither coming nor going."""
    for (folder, index), nodes in domain.devices.items():
        kind = BY_FOLDER.get(folder)
        if kind and index in domain.unreadable.get(kind.name, ()):
            path = f"/libxl/{domain.domid}/device/{folder}/{index}"
            yield _unreadable(domain, kind, device_name(kind, folder, index), path, nodes)
        elif not _is_sound(domain, nodes):
            yield from _ends(domain, kind, device_name(kind, folder, index), index, nodes)


def _is_sound(domain: Domain, nodes: Nodes) -> bool:
    """Nothing is wrong with either end: so it is for nearly all, and nothing else is worked out then."""
    store = domain.host.store
    where, frontend = nodes.get("backend"), nodes.get("frontend")
    if where is not None:
        backend = store.backends.get(where)
        if backend is None or backend.get("online") == "0":
            return False
        if not script_ran(where, nodes, backend):
            return False
    return frontend is None or frontend in store.frontends


def script_ran(where: str, nodes: Nodes, backend: Nodes) -> bool:
    """False if the hotplug script of the device failed, or has to run still.

    Only these kinds of backend have one [libxl__get_hotplug_script_info]. Its status is gone once it has served: Linux
    5.5 to 5.16 removes it when netback connects, and a driver domain need not write one. A backend that is connected,
    or was and is closing, has not waited in vain for its script."""
    if "script" not in nodes or where.split("/")[5:6] not in SCRIPTED:
        return True
    status = backend.get("hotplug-status", "")
    if status or "hotplug-error" in backend:
        return status == SCRIPT_RAN
    return backend.get("state") in ("4", "5", "6", "7", "8")


def _unreadable(domain: Domain, kind: Kind, device: str, path: str, nodes: Nodes) -> Finding:
    lacking = [name for name in MUST_HAVE.get(kind.name, ()) if name not in nodes]
    backend = domain.host.store.backends.get(nodes.get("backend", ""), {})
    index = path.rpartition("/")[2]
    if lacking and index.isdigit() and all(name in backend for name in lacking):
        given = ", ".join(written(f"{path}/{name}", backend[name]) for name in lacking)
        mend = f"put back what its backend has: {given}; then "
        mend += detach(
            domain.host, kind, domain.domid, index, then=", and attach it again, if it is not as it was given"
        )
    elif backend:
        mend = f"look at `xenstore-ls -f {nodes['backend']}`: the backend is there, and holds it; write by hand what "
        mend += f"{shown(path)} lacks"
    elif path.replace("/", "").replace("-", "").replace("_", "").isalnum():
        mend = f"`xenstore-rm {path}`"
    else:
        mend = "remove the node by hand"
    why = f"lacks {', '.join(lacking)}" if lacking else "has a name that is no number"
    return of_domain(
        domain, "device_is_whole", device=device,
        template=entry_of(domain, kind, path.rpartition("/")[2]), xenstore=f"{shown(path)} {why}",
        answer=f"cannot list the {kind} devices, takes that for none, and leaves out every one of them",
        mend=mend,
        evidence=f"{shown(path)} {why}, and {'its backend is there' if backend else 'it has no backend'}",
    )  # fmt: skip


def _ends(domain: Domain, kind: Kind | None, device: str, index: str, nodes: Nodes) -> Iterator[Finding]:
    where, frontend = nodes.get("backend"), nodes.get("frontend")
    template = entry_of(domain, kind, index)
    stays = _stays(domain, device)
    if where is not None:
        backend = domain.host.store.backends.get(where)
        if backend is None:
            yield of_domain(
                domain, "device_has_backend", device=device, template=template,
                xenstore=f"the device's backend is {shown(where)}, and there is nothing", answer=stays,
                mend=f"{UNDER_WAY}: "
                + detach(domain.host, kind, domain.domid, index, force=True, then=", and attach it again"),
                evidence=f"xenstore has the device, and no node {shown(where)}, where its backend has to be",
            )  # fmt: skip
            return
        if backend.get("online") == "0":
            yield of_domain(
                domain, "removal_is_finished", device=device, template=template,
                xenstore=f"the backend {shown(where)} is offline, its state {shown(backend.get('state', ''))}, and the "
                f"device is still there{_whose(where)}",
                answer=stays, mend=f"{UNDER_WAY}: {detach(domain.host, kind, domain.domid, index, force=True)}",
                evidence=f"{shown(f'{where}/online')} is 0, which a detach writes",
            )  # fmt: skip
        elif not script_ran(where, nodes, backend):
            yield _hotplug(domain, kind, device, index, where, backend)
    store = domain.host.store
    if frontend is not None and store.has_frontends and frontend not in store.frontends:
        yield of_domain(
            domain, "device_has_frontend", device=device, template=template,
            xenstore=f"the device's frontend is {shown(frontend)}, and there is nothing: the guest may have removed it",
            answer=stays,
            mend="nothing, if the guest removed it and does without; otherwise "
            + detach(domain.host, kind, domain.domid, index, force=True, then=", and attach it again"),
            evidence=f"there is no node {shown(frontend)}",
        )  # fmt: skip


def _hotplug(domain: Domain, kind: Kind | None, device: str, index: str, where: str, backend: Nodes) -> Finding:
    status, error = backend.get("hotplug-status", ""), backend.get("hotplug-error", "")
    ran = f"failed: {shown(error or status)}" if status or error else "has not run, or has not ended"
    seen = f"hotplug-status is {shown(status)}" if status else "there is no hotplug-status"
    seen += f", hotplug-error is {shown(error)}" if error else ""
    return of_domain(
        domain, "hotplug_is_finished", device=device, template=entry_of(domain, kind, index),
        xenstore=f"the script of the backend {shown(where)} {ran}{_whose(where)}",
        answer=f"{_stays(domain, device)}, and the guest cannot use it",
        mend=f"{UNDER_WAY}: "
        + detach(domain.host, kind, domain.domid, index, force=True, then=", then attach it again"),
        evidence=f"below {shown(where)} {seen}, and the state is {shown(backend.get('state', 'not there'))}, not 4",
    )  # fmt: skip


def _whose(path: str) -> str:
    """A driver domain writes its own part, and can forge it."""
    parts = path.split("/")
    owner = parts[3] if len(parts) > 3 else ""
    return "" if owner == str(DOM0) else f" (domain {shown(owner)[1:-1]} writes this, and can forge it)"


def _stays(domain: Domain, device: str) -> str:
    """`retrieve` looks at neither end of a device."""
    if domain.template is None:
        return "is not known" if domain.file and not domain.broken else failure(domain)
    return f"has {device}, as it looks at neither end of it"


def check_entries(domain: Domain) -> Iterator[Finding]:
    """The devices that exist against the template's entries."""
    template = domain.template
    if template is None:
        return
    for name, existing in domain.existing.items():
        kind = KINDS[name]
        without = unaccounted(template, kind, existing)
        for index, nodes in existing.items():
            entry = template.find(Device(kind, index))
            if entry is None and index not in without:
                continue
            if entry is None:
                device = device_name(kind, kind.folder, index)
                yield of_domain(
                    domain, "xenstore_has_template", device=device, template=entry_said(entry),
                    xenstore=f"it is there{_params(nodes)}", answer=f"leaves {device} out, though the domain has it",
                    mend="when the guest can do without: "
                    + detach(domain.host, kind, domain.domid, index, then=" and attach it again")
                    + ": what it was given is not in xenstore",
                    evidence=f"xenstore lists {device}, and the template, which can be read, has no entry for it",
                )  # fmt: skip
            elif kind is DISK:
                yield from _check_disk(domain, index, nodes, entry)
            elif kind is NIC:
                yield from _check_nic(domain, index, nodes, entry)
    for kind in KEPT:
        yield from _check_kept(domain, kind)


def _params(nodes: Nodes) -> str:
    return f", with params {shown(nodes['params'])}" if nodes.get("params") else ""


def _check_disk(domain: Domain, index: str, nodes: Nodes, entry: Entry) -> Iterator[Finding]:
    params, path = nodes.get("params", ""), path_of(nodes.get("params"))
    given = "" if is_empty(entry) else str(entry.get("pdev_path"))
    ejectable = nodes.get("removable") == "1"
    if ejectable and says_empty(params):
        return
    if given in (path, params) or (not ejectable and not (params and given)):
        return
    medium = f"medium {shown(given)}" if given else "no medium"
    device = device_name(DISK, DISK.folder, index)
    if ejectable:
        yield of_domain(
            domain, "medium_agrees", device=device, template=medium, xenstore=f"params {shown(params)}",
            answer=f"says {medium}, whatever is in the drive",
            mend=f"`{domain.host.commands} {'cd-' * (domain.host.commands == 'xl')}eject {domain.domid} "
            f"{device.partition(' ')[2]}`, then insert what it is to hold",
            evidence="the drive is removable and not empty, and the template's entry names another medium",
        )  # fmt: skip
    else:
        yield _unfaithful(domain, DISK, device, index, f"pdev_path {shown(given)}", f"params {shown(params)}")


def _check_nic(domain: Domain, index: str, nodes: Nodes, entry: Entry) -> Iterator[Finding]:
    mac, given = nodes.get("mac", ""), entry.get("mac")
    if mac and isinstance(given, str) and given.lower() != mac.lower():
        yield _unfaithful(
            domain, NIC, device_name(NIC, NIC.folder, index), index, f"mac {shown(given)}", f"mac {shown(mac)}"
        )


def _unfaithful(domain: Domain, kind: Kind, device: str, index: str, template: str, xenstore: str) -> Finding:
    return of_domain(
        domain, "template_is_faithful", device=device, template=template, xenstore=xenstore,
        answer=f"says {template}, and the domain has another",
        mend="when the guest can do without: "
        + detach(domain.host, kind, domain.domid, index, then=" and attach it again as it is to be"),
        evidence="the template's entry and the node of one device name different things",
    )  # fmt: skip


def _check_kept(domain: Domain, kind: Kind) -> Iterator[Finding]:
    template = domain.template
    if template is None or kind.array not in template.value:
        return
    existing = domain.existing.get(kind.name, {}).keys()
    missing = [entry.index for entry in template.devices() if entry.kind is kind and entry.index not in existing]
    for device in (device_name(kind, kind.folder, index) for index in missing):
        yield of_domain(
            domain, "template_has_xenstore", device=device, template="an entry", xenstore="nothing",
            answer=f"has {device}, though the domain has not: it takes these from the template alone",
            mend="create the domain again without it: no command changes such an entry",
            evidence="the template has the entry, and xenstore has no such device",
        )  # fmt: skip


def count_stale(domain: Domain) -> int:
    """How many entries are of devices that are not there. libxl leaves them; `retrieve` leaves them out [X4]."""
    template = domain.template
    if template is None:
        return 0
    return sum(
        d.index not in domain.existing.get(d.kind.name, {}) for d in template.devices() if d.kind not in KEPT
    )  # fmt: skip


def check_pci(domain: Domain) -> Iterator[Finding]:
    """PCI devices that the backend has, and libxl's list has not."""
    nodes = domain.host.store.backends.get(f"/local/domain/0/backend/pci/{domain.domid}/0", {})
    listed = set(pci_devices(domain).values())
    lists = "`xl pci-assignable-list` and at " if domain.host.commands == "xl" else ""
    for name, value in nodes.items():
        if name.startswith("dev-") and int(name[4:]) not in listed:
            yield of_domain(
                domain, "resources_have_xenstore", device=f"pci {shown(value)[1:-1]}", template="not looked at",
                xenstore=f"the backend has it as {name}, and counts {shown(nodes.get('num_devs', 'none'))} devices",
                answer="leaves it out",
                mend=f"look at {lists}`lspci -k`: if no guest uses it, it is free again after the domain's end",
                evidence=f"{name} has a number that num_devs does not count",
                file=domain.host.source,
            )  # fmt: skip
