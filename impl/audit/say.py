"""Words that several checks share: a finding of a domain, and commands that mend."""

from __future__ import annotations

from shlex import quote

from confsync.impl.audit.domain import Domain
from confsync.impl.audit.finding import Finding, invariant, shown
from confsync.impl.audit.host import Host
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import DISK, NIC, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Device, Entry, Kind

_DETACH = {
    DISK.name: "block-detach", NIC.name: "network-detach", VTPM.name: "vtpm-detach", PCI.name: "pci-detach",
    USBCTRL.name: "usbctrl-detach", USBDEV.name: "usbdev-detach", VDISPL.name: "vdispl-detach",
    VSND.name: "vsnd-detach", VKB.name: "vkb-detach",
}  # fmt: skip
_FORCE = {DISK.name: "--force ", PCI.name: "-f "}
"""How xl is told not to wait for the guest. `pci-detach` has no long form of it [main_blockdetach, main_pcidetach]."""
UNDER_WAY = "if no operation is under way"


def of_domain(
    domain: Domain,
    what: str,
    *,
    device: str = "",
    template: str,
    xenstore: str,
    answer: str,
    mend: str,
    evidence: str,
    file: str = "",
) -> Finding:
    """A finding about the domain. `file`: where to look; empty: its template, or xenstore if it has none."""
    where = file or (str(domain.file.path) if domain.file and domain.file.path else domain.host.source)
    name = shown(domain.name)[1:-1] if domain.name else ""
    return Finding(
        invariant(what), domain.domid, shown(domain.uuid)[1:-1], name, device, template, xenstore, answer, mend,
        evidence, where,
    )  # fmt: skip


def detach(host: Host, kind: Kind | None, domid: int, index: str, *, force: bool = False, then: str = "") -> str:
    """The commands that take the device away, and `then`; or, for what no command takes away, when it goes."""
    ours = host.commands != "xl"
    named = _named(kind, index, ours=ours) if kind else None
    if kind is None or named is None or (not ours and kind.name not in _DETACH):
        return "no command takes it away; it goes with the domain" + (
            "" if ours else f", at the next `xl shutdown {domid}`"
        )
    if ours:
        option = "--force " if force else ""
        plugged = [name for name in host.store.ports.get(domid, {}) if kind is USBCTRL and name.startswith(f"{index}/")]
        devices = [*((USBDEV, _named(USBDEV, name, ours=True)) for name in sorted(plugged)), (kind, named)]
        called = (f"{of} {str(which).replace(' ', '/')}" for of, which in devices)
        return ", then ".join(f"`{host.commands} detach {option}{domid} {device}`" for device in called) + then
    option = _FORCE.get(kind.name, "") if force else ""
    return f"`xl {_DETACH[kind.name]} {option}{domid} {named}`{then}"


def written(path: str, value: str) -> str:
    """The command that writes a node; the words for it if the value cannot be printed safely."""
    if shown(value, len(value))[1:-1] != value or "`" in value:
        return f"write {path} by hand, as {shown(value)}"
    return f"`xenstore-write {path} {quote(value)}`"


def _named(kind: Kind, index: str, *, ours: bool) -> str | None:
    """What the command calls it by. `confsync domain` takes what no toolstack made by the name of its node; xl would
    read 0 there, and take away another device [atoi in main_networkdetach and others]."""
    try:
        key = kind.to_key(index)
    except InvalidArgument:
        return index if ours and all(part.isalnum() for part in index.split("/")) else None
    if kind is PCI:
        return "{:04x}:{:02x}:{:02x}.{}".format(*key.values())
    return " ".join(str(value) for value in key.values())


def entry_of(domain: Domain, kind: Kind | None, index: str) -> str:
    """The domain's entry for a device, as one says it."""
    if kind is None:
        return "it has no list of these"
    if domain.template is None:
        return "none that can be read"
    return entry_said(domain.template.find(Device(kind, index)))


def entry_said(entry: Entry | None) -> str:
    """A template's entry, as one says it."""
    if entry is None:
        return "no entry"
    told = [f"{field} {shown(str(entry[field]))}" for field in ("vdev", "devid", "pdev_path", "mac") if field in entry]
    return f"an entry: {', '.join(told)}" if told else "an entry"
