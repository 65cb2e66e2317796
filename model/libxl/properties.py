"""The properties of docs/design.md, each with the claims it states and the case that makes it interesting."""

from __future__ import annotations

from confsync.model.language import (
    AloneInvariant,
    AnswerInvariant,
    Bool,
    FixedPoint,
    Invariant,
    Linearizable,
    LockOrderAcyclic,
    LocksExclusive,
    Property,
    Recoverable,
    Terminates,
    all_of,
    any_of,
    implies,
    neg,
)
from confsync.model.libxl import recovery
from confsync.model.libxl.state import ABSENT, MADE_UP, Local, Shared, Slot


def _present(s: Shared, k: Slot) -> Bool:
    return s.xenstore[k].present


def _in_template(s: Shared, k: Slot) -> Bool:
    return s.template[k] != ABSENT


def _has_resources(s: Shared, k: Slot) -> Bool:
    return s.resources[k]


def _has_medium(s: Shared, k: Slot) -> Bool:
    return all_of(s.xenstore[k].present, neg(s.xenstore[k].empty))


def _loaded(s: Shared, k: Slot) -> Bool:
    return all_of(k.ejectable, _has_medium(s, k))


def _agrees(s: Shared, k: Slot) -> Bool:
    return s.template[k] == s.attached[k]


def _vouched(s: Shared, k: Slot) -> Bool:
    return s.vouched[k] != ABSENT


def _clean(s: Shared, _: Slot) -> Bool:
    left = all_of(s.lock_file, neg(s.locked), s.crashes == 0)
    return implies(neg(s.alive), all_of(neg(s.saved), neg(left)))


def _not_made_up(me: Local, k: Slot) -> Bool:
    return me.draft[k] != MADE_UP


def _has_device(me: Local, k: Slot) -> Bool:
    return me.draft[k] != ABSENT


def _reflects_knobs(s: Shared, me: Local, _: Slot) -> Bool:
    """The name, and the memory target unless it is torn."""
    return all_of(me.draft_name == s.name, any_of(me.draft_memory == s.granted, s.torn))


PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        Invariant(
            "xenstore_has_template",
            "a device in xenstore has an entry in the template",
            ("X1",),
            "a device is in xenstore",
            "{slot} is in xenstore, and the template has no entry for it",
            lambda s, k: implies(_present(s, k), _in_template(s, k)),
            _present,
        ),
        Invariant(
            "template_has_xenstore",
            "a device in the template is in xenstore",
            ("J1",),
            "a device is in the template",
            "the template has an entry for {slot}, and it is not in xenstore",
            lambda s, k: implies(_in_template(s, k), _present(s, k)),
            _in_template,
        ),
        Invariant(
            "resources_have_xenstore",
            "a device that holds resources is in xenstore",
            ("X2",),
            "a device holds resources",
            "{slot} holds resources, and it is not in xenstore",
            lambda s, k: implies(_has_resources(s, k), _present(s, k)),
            _has_resources,
        ),
        Invariant(
            "resources_have_template",
            "a device that holds resources is in the template",
            ("X3", "J2"),
            "a device holds resources",
            "{slot} holds resources, and the template has no entry for it",
            lambda s, k: implies(_has_resources(s, k), _in_template(s, k)),
            _has_resources,
        ),
        Invariant(
            "template_is_faithful",
            "of a device in xenstore that is not empty, the template holds the very configuration that was attached",
            ("R1", "X6"),
            "a device that is not empty is in xenstore",
            "{slot} was attached as {attached}, and the template says {template}",
            lambda s, k: implies(_has_medium(s, k), _agrees(s, k)),
            _has_medium,
        ),
        Invariant(
            "medium_agrees",
            "the medium in xenstore is the template's, unless xenstore says the drive is empty",
            ("C1",),
            "a medium is in a drive",
            "{slot} has {attached} in it by xenstore, and {template} by the template",
            lambda s, k: implies(_loaded(s, k), _agrees(s, k)),
            _loaded,
        ),
        Linearizable(
            "retrieve_is_exact",
            "what retrieve returns is the domain's configuration at one instant between its call and its return",
            ("A2", "R1", "R2", "C2", "A4"),
            "a retrieve returns",
            "retrieve returns {result}, which the domain was at no instant since the call",
        ),
        AnswerInvariant(
            "retrieve_never_degraded",
            "retrieve never has to make an entry up",
            ("R1", "J3"),
            "a retrieve returns a device",
            "retrieve found a device in xenstore that its template lacks, and made an entry up: {result}",
            _not_made_up,
            _has_device,
        ),
        AloneInvariant(
            "knobs_are_reflected",
            "the name and the memory target that the domain has are what retrieve returns",
            ("A4",),
            "a knob is no longer as it was at creation",
            "no operation is at work: the hypervisor grants {granted}, and retrieve returns {result}",
            _reflects_knobs,
            lambda s, _me, _k: any_of(s.name != 0, s.granted != 0),
        ),
        FixedPoint(
            "retrieve_is_a_fixed_point",
            "a domain created from what retrieve returns is the same domain, and is retrieved the same",
            ("A2", "A4"),
            "a retrieve alone succeeds for a domain with a device",
            "no operation is at work: retrieve returns {result}, and a domain created from that is another",
            _not_made_up,
            _has_device,
        ),
        Invariant(
            "no_lost_update",
            "what an operation wrote into the template for its slot stays until another that names the slot",
            ("L1",),
            "the template holds what an operation wrote for its slot",
            "an operation wrote {vouched} into the template for {slot}, and the template says {template}: "
            "it was overwritten by an operation that does not name {slot}",
            lambda s, k: implies(_vouched(s, k), s.template[k] == s.vouched[k]),
            _vouched,
        ),
        LocksExclusive(
            "lock_is_exclusive",
            "at most one process holds the lock, of the file that is really there",
            ("L1",),
            "a process holds the lock",
            "two processes hold the same lock",
        ),
        LockOrderAcyclic(
            "lock_order_is_acyclic",
            "no processes wait for each other's locks",
            ("L1",),
            "a process that holds a lock is about to take one",
            "processes that hold locks wait for each other's",
        ),
        Invariant(
            "userdata_dies_with_domain",
            "no template outlives its domain and none is met by the domid's next owner; nor a lock file, but one "
            "that a dead process left",
            ("A3",),
            "a domain is being created or destroyed",
            "there is no domain, and its template or lock file is still there",
            _clean,
            lambda s, _: s.paused,
        ),
        Recoverable(
            "always_recoverable",
            "wherever operations ended or died, a sequence of operations leads back to full agreement, without the "
            "domain being destroyed (unless its creation had not ended, or its destruction had begun)",
            ("P1", "X4"),
            "no operation is at work, and the stores do not agree",
            "no operation is at work, and no sequence of operations leads back to full agreement",
            recovery.WHOLE,
        ),
        Terminates(
            "every_operation_ends",
            "without further crashes every operation returns",
            ("L1", "X6"),
            "an operation is at work",
            "no operation that is at work can ever take a step again",
        ),
    )
}
"""By name, in the order of docs/design.md. `guest_cannot_forge` is not modelled yet."""
