"""What a device's entry gets that the user left out, and that must stay the same from then on
[`libxl__update_domain_configuration`, `libxl__device_nic_setdefault`].

The entries of a new domain get numbers where libxl gives them any: those of the other kinds have theirs by their places
in the list, and so an entry that is retrieved and created again stays as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set
from uuid import UUID

from confsync.impl.configuration.places import BY_PLACE, UNSET
from confsync.impl.configuration.template import Template
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import KINDS, NIC, VTPM, Device, Entry, Json, Kind, device_of

MAC_PREFIX = "00:16:3e"
"""Xen's own [xl-network-configuration(5)]."""


def complete(kind: Kind, entry: Entry, uuid: str, taken: Set[str]) -> tuple[Device, dict[str, Json]]:
    """The device that `entry` is about, and its entry with a number, an address and an identity where it has none.
    They are made from the domain's uuid and the number: nothing is drawn by lot. InvalidArgument: its key is wrong."""
    whole = dict(entry)
    if kind.key == ("devid",) and whole.get("devid", UNSET) in (None, UNSET):
        whole["devid"] = next(n for n in range(len(taken) + 1) if str(n) not in taken)
    device = device_of(kind, whole)
    if kind is NIC:
        whole.setdefault("mac", _mac(uuid, device))
        whole.setdefault("nictype", "vif")
    if kind is VTPM:
        whole.setdefault("uuid", str(UUID(bytes=_digest(uuid, device)[:16], version=4)))
    return device, whole


def complete_all(template: Template, uuid: str) -> Template:
    """The template of a new domain with every entry complete; an entry whose place says its number gets none.
    InvalidArgument."""
    for kind in KINDS.values():
        template = _completed(template, kind, uuid)
    return template.with_knobs(uuid=uuid)


def _completed(template: Template, kind: Kind, uuid: str) -> Template:
    value = dict(template.value)
    entries = value.get(kind.array)
    if not isinstance(entries, list):
        return template
    taken = {device.index for device in template.devices() if device.kind is kind}
    whole: list[Json] = []
    for entry in entries:
        assert isinstance(entry, dict)
        if kind in BY_PLACE and entry.get("devid", UNSET) in (None, UNSET):
            whole.append(entry)
            continue
        device, done = complete(kind, entry, uuid, taken)
        taken.add(device.index)
        whole.append(done)
    value[kind.array] = whole
    return Template.of(value, "the configuration")


def _digest(uuid: str, device: Device) -> bytes:
    return hashlib.sha256(f"{uuid}/{device.kind.folder}/{device.index}".encode()).digest()


def _mac(uuid: str, device: Device) -> str:
    a, b, c = _digest(uuid, device)[:3]
    return f"{MAC_PREFIX}:{a & 0x7F:02x}:{b:02x}:{c:02x}"


def parse_uuid(text: str) -> str:
    """A uuid as libxl writes it. InvalidArgument."""
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidArgument(f"{text!r} is no uuid") from None
