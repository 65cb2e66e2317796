"""Which device a command names: by what the guest knows it by, by a MAC address, or by a uuid [xl's *-detach]."""

from __future__ import annotations

from confsync.impl.command.xl_nic import mac_address
from confsync.impl.command.xl_pci import pci
from confsync.impl.command.xl_words import decimal, uuid_text
from confsync.impl.errors import DeviceNotFound, InvalidArgument
from confsync.impl.kinds import DISK, NIC, PCI, USBDEV, VTPM, Device, Kind
from confsync.impl.operations import existence, paths
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.vdev import virtual_name
from confsync.terminal.text import quoted


async def find_device(t: Toolstack, domain: Domain, kind: Kind, text: str) -> Device:
    """The device that `text` names: see `device_index`; an interface also by its MAC address, a TPM by its uuid
    [main_networkdetach, main_vtpmdetach]. InvalidArgument: it names none, or several have the address;
    DeviceNotFound: no device has it."""
    if kind is NIC and ":" in text:
        return await _having(t, domain, kind, "mac", mac_address(text))
    if kind is VTPM and "-" in text:
        return await _having(t, domain, kind, "uuid", uuid_text(text))
    return Device(kind, device_index(kind, text))


def device_index(kind: Kind, text: str) -> str:
    """The index of a device that is named by what the guest knows it by: a vdev, a number, an address, CTRL/PORT.
    InvalidArgument."""
    if kind is DISK and text.isascii() and text.isdigit():
        virtual_name(number := decimal("vdev", text))  # refuses what no disk has
        return str(number)
    if kind is DISK:
        return kind.to_index({"vdev": text})
    if kind is PCI:
        return kind.to_index(pci(text))
    if kind is USBDEV:
        ctrl, _, port = text.partition("/")
        return kind.to_index({"ctrl": decimal("controller", ctrl), "port": decimal("port", port)})
    return kind.to_index({kind.key[0]: decimal(kind.key[0], text)})


async def _having(t: Toolstack, domain: Domain, kind: Kind, node: str, value: str) -> Device:
    """The one device that has this value, by the toolstack's own copy in xenstore."""
    found = [
        device
        for device in (await existence.devices(t.xenstore, domain, kind))[kind]
        if (await existence.read_text(t.xenstore, f"{paths.existing(domain, device)}/{node}") or "").lower() == value
    ]
    if not found:
        raise DeviceNotFound(f"{domain} has no {kind} with the {node} {value}")
    if len(found) > 1:
        numbers = ", ".join(device.index for device in found)
        raise InvalidArgument(
            f"{domain}: {len(found)} devices have the {node} {quoted(value)}: name one by number, {numbers}"
        )
    return found[0]
