"""Which devices of a domain its template accounts for, though it has no entry with their key."""

from __future__ import annotations

from collections.abc import Iterable

from confsync.impl.configuration.template import Template
from confsync.impl.kinds import VKB, Device, Kind


def unaccounted(template: Template, kind: Kind, existing: Iterable[str]) -> list[str]:
    """Of the devices of the kind that exist, by index, those that the template says nothing of.

    Two sorts are accounted for without an entry that has their key: those of an entry whose number is not known
    (`Template.unnamed`), and the keyboard that libxl gives an HVM domain by itself [domcreate_launch_dm]."""
    without = [index for index in existing if template.find(Device(kind, index)) is None]
    return without[len(template.unnamed(kind)) + (kind is VKB and template.is_hvm) :]
