"""What an audit holds a host against. Each says what must be, and why it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must be so. `claims`: those of the discussion that it comes from. An error makes `retrieve`
    answer wrongly or not at all, or leaks something; a warning may also be an operation that is under way."""

    id: str
    severity: Severity
    claims: str
    words: str


_ALL = (
    Invariant("xenstore_has_template", "error", "X1", "what is in xenstore has an entry in the template"),
    Invariant(
        "template_has_xenstore", "warning", "J1",
        "what `retrieve` takes from the template alone (p9, vkb) is in xenstore",
    ),
    Invariant(
        "template_is_faithful", "error", "R1, X6", "the template's entry is of the very device that is in xenstore"
    ),
    Invariant("medium_agrees", "error", "C1", "xenstore says the template's medium, or that the drive is empty"),
    Invariant("resources_have_xenstore", "error", "X2", "a device that holds resources is in xenstore"),
    Invariant("device_is_whole", "error", "R1", "a device in xenstore can be read"),
    Invariant("device_has_backend", "error", "X2", "a device in xenstore has its backend"),
    Invariant("device_has_frontend", "warning", "X2", "a device in xenstore has its frontend"),
    Invariant("frontend_has_device", "warning", "X2", "a frontend belongs to a device in xenstore"),
    Invariant("removal_is_finished", "warning", "U1", "a device is there, or gone, and not on its way"),
    Invariant("hotplug_is_finished", "warning", "X2", "the hotplug script of a device in xenstore has run, and well"),
    Invariant("domain_is_whole", "error", "A3", "a domain is there, or gone, and nothing is between"),
    Invariant("domain_has_template", "error", "A2, A3", "a domain has a template"),
    Invariant("template_is_readable", "error", "A2", "a template can be read"),
    Invariant(
        "template_is_unambiguous", "warning", "A2", "all that a template's file says is read, and says one thing"
    ),
    Invariant("knobs_are_reflected", "error", "A4", "`retrieve` can read the domain's memory from xenstore"),
    Invariant("knobs_agree", "warning", "A4", "what xenstore has in two places is the same in both"),
    Invariant("names_are_unique", "warning", "A4", "no two domains have one name"),
    Invariant("macs_are_unique", "warning", "A4", "no two network interfaces have one MAC"),
    Invariant("uuid_agrees", "warning", "A3", "a domain's uuid is that of its template"),
    Invariant("userdata_dies_with_domain", "error", "A3", "no template and no lock file outlives its domain"),
    Invariant("lock_is_free", "warning", "L1", "a lock file is there only while it is held"),
    Invariant("temporary_is_gone", "warning", "A3", "a file being written is there only while it is written"),
    Invariant("vm_dies_with_domain", "warning", "A3", "what is below /vm is of a domain"),
    Invariant("guest_cannot_forge", "error", "X1, X2", "only the toolstack can write what says what exists"),
)  # fmt: skip
INVARIANTS: dict[str, Invariant] = {i.id: i for i in _ALL}
