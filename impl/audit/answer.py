"""What libxl's `retrieve` answers for a domain, worked out from both sides [libxl_retrieve_domain_configuration]."""

from __future__ import annotations

from dataclasses import dataclass

from impl.audit.domain import Domain
from impl.audit.store import number
from impl.configuration.template import Template, emptied
from impl.kinds import DISK, KINDS, P9, VKB, Device

KEPT = (P9, VKB)
"""The kinds whose entries it never leaves out: it has no comparison for them [device_type_tbl]."""
EMPTY_MARKS = ("/run/xen/empty-cdrom", "/var/run/xen/empty-cdrom")
"""What libxl 4.19 and later puts into an empty drive that has a real block device for a backend."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The configuration; or the words for why there is none."""

    configuration: Template | None
    failure: str


def retrieve(domain: Domain) -> Answer:
    """The answer. What is not in xenstore is the template's: the scheduler's parameters, an HVM domain's vcpus."""
    template = domain.template
    if template is None:
        return Answer(None, failure(domain))
    target, limit = number(domain.local.get("memory/target")), number(domain.local.get("memory/static-max"))
    if not domain.name:
        return Answer(template, "")  # it stops there, and calls it success
    if target is None or limit is None:
        return Answer(None, "fails with ERROR_FAIL")
    for kind in KINDS.values():
        if kind in KEPT:
            continue
        listed = {} if domain.unreadable.get(kind.name) else domain.existing.get(kind.name, {})
        template = template.only(kind, set(listed))
        for index, nodes in listed.items() if kind is DISK else ():
            entry = template.find(Device(kind, index))
            if entry is not None and nodes.get("removable") == "1" and not pdev_path(nodes):
                template = template.put(Device(kind, index), emptied(entry))
    unset = domain.local.get("memory/videoram") == "-1" and not template.video_memkb  # LIBXL_MEMKB_DEFAULT, -1 KiB
    total = target + (-1 if unset else template.video_memkb)
    return Answer(template.with_knobs(name=domain.name, uuid=domain.uuid, target_memkb=total, max_memkb=limit), "")


def failure(domain: Domain) -> str:
    """The words for what happens without a template that can be read."""
    if domain.broken:
        return "fails with ERROR_FAIL"
    return "fails with ERROR_JSON_CONFIG_EMPTY"


def pdev_path(nodes: dict[str, str]) -> str:
    """The medium or target that xenstore has for a disk: what is after the first colon, if any [libxl_disk.c]."""
    params = nodes.get("params", "")
    return params.partition(":")[2] if ":" in params else params
