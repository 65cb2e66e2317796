"""The claims of the 2014 discussion.

Sources: "Discussion on libxl domain configuration synchronization", xen-devel 2014, Wei Liu's proposal and Ian
Jackson's reply, in the numbering of docs/design.md.
"""

from __future__ import annotations

from confsync.model.report.claims import Claim

LITERAL, LOCKED = "xenstore_first", "xenstore_first_locked"
_LOCK = (LOCKED, "the lock is held until xenstore is committed, and the slot is checked before the template is written")

CLAIMS = {
    c.name: c
    for c in (
        Claim("A1", "`retrieve` is the only public call; there is no `store`", given="no operation writes the template "
              "at a caller's word but through what it does to the domain"),
        Claim("A2", "`retrieve` starts from the template and updates it by what xenstore says", LITERAL,
              ("retrieve_is_exact", "retrieve_is_a_fixed_point"), _LOCK),
        Claim("A3", "the template is saved at creation and updated by hotplug and unplug, and by nothing else", LITERAL,
              ("userdata_dies_with_domain",), (LOCKED, "creation and destruction hold the lock throughout")),
        Claim("A4", "every operation that matters shows in `retrieve`, and nothing else changes what it returns",
              LITERAL, ("knobs_are_reflected", "retrieve_is_exact"),
              (LOCKED, "what sets a knob in two places holds the lock, and so does what reads it back")),
        Claim("P1", "as posted, the last two steps can fail and leave the device in xenstore but not in the template",
              "as_posted", ("xenstore_has_template",), refutes=True),
        Claim("J1", "JSON FIRST: a device in the template is in xenstore", "json_first", ("template_has_xenstore",)),
        Claim("J2", "JSON FIRST: a device that holds resources is in the template", "json_first",
              ("resources_have_template",)),
        Claim("J3", "JSON FIRST tolerates a device in xenstore that the template lacks; `retrieve` reports it in "
              "degraded form", "json_first", ("retrieve_never_degraded",), refutes=True),
        Claim("J4", "JSON FIRST: `retrieve` may take the template as its primary reference", "json_first",
              ("retrieve_is_exact",)),
        Claim("X1", "XENSTORE FIRST: a device in xenstore has a template entry", LITERAL, ("xenstore_has_template",),
              _LOCK),
        Claim("X2", "a device that holds resources is in xenstore (held to be true already)", LITERAL,
              ("resources_have_xenstore",), (LOCKED, "destruction holds the lock that additions hold")),
        Claim("X3", "hence a device that holds resources is in the template", LITERAL, ("resources_have_template",),
              _LOCK),
        Claim("X4", "XENSTORE FIRST tolerates a template entry that xenstore lacks", LITERAL,
              ("template_has_xenstore",), refutes=True),
        Claim("X5", "to get X1, the new template is written before xenstore is", "xenstore_first_unchecked",
              ("xenstore_has_template", "template_is_faithful"),
              (LOCKED, "before it is written, the slot is checked: a template entry of a device that is there must not "
               "be overwritten by one that xenstore will refuse")),
        Claim("X6", "XENSTORE FIRST: the lock need not be held across the device's addition, only across the update of "
              "the template", LITERAL,
              ("xenstore_has_template", "template_is_faithful", "retrieve_is_exact", "no_lost_update"),
              (LOCKED, "it need not be held across the allocation, but it must be until xenstore is committed")),
        Claim("R1", "each device that exists takes its template entry, or failing that a made-up one with a warning",
              LITERAL, ("template_is_faithful", "retrieve_never_degraded"), _LOCK),
        Claim("R2", "of an empty drive the medium is dropped from the entry", LITERAL, ("retrieve_is_exact",), _LOCK),
        Claim("R3", "the resulting list replaces the old one: on disk too", "xenstore_first_write_back",
              ("no_lost_update", "xenstore_has_template"),
              ("xenstore_first_locked_write_back", "the lock is held until xenstore is committed, and across "
               "retrieve's read and write; the list returned may always replace the old one")),
        Claim("C1", "the medium in xenstore always equals the template's, unless xenstore says empty", LITERAL,
              ("medium_agrees",), _LOCK),
        Claim("C2", "so a swap is an eject, then an insert; then `retrieve` is always right", LITERAL,
              ("retrieve_is_exact",), _LOCK,
              without=("xenstore_first_locked_direct_swap_template_first",
                       "xenstore_first_locked_direct_swap_xenstore_first")),
        Claim("U1", "unplug runs the chosen order in reverse", LITERAL, ("xenstore_has_template", "always_recoverable"),
              (LOCKED, "leaving xenstore and forgetting the entry are under one lock")),
        Claim("L1", "a lock on the template excludes concurrent updates", LOCKED,
              ("lock_is_exclusive", "no_lost_update", "lock_order_is_acyclic", "every_operation_ends"),
              without=("xenstore_first_unlocked",)),
    )
}  # fmt: skip
