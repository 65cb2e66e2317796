"""What `always_recoverable` leads to: template, xenstore, resources and hypervisor in full agreement."""

from __future__ import annotations

from confsync.model.language import Bool, Recovery, all_of, implies, neg
from confsync.model.libxl.state import Shared, Slot


def slot_agrees(s: Shared, k: Slot) -> Bool:
    """Template, xenstore and resources say the same of the slot, and nothing is half-way."""
    return all_of(s.template[k] == s.attached[k], s.resources[k] == s.xenstore[k].present, neg(s.closing[k]))


def memory_agrees(s: Shared) -> Bool:
    """The hypervisor grants the memory target that xenstore says."""
    return s.granted == s.memory


def whole_agrees(s: Shared) -> Bool:
    """There is a template if there is a domain, and nothing is half-way."""
    return all_of(s.saved == s.alive, neg(s.paused), neg(s.locked))


def runs(s: Shared) -> Bool:
    """There is a whole domain: created, and not about to be destroyed."""
    return all_of(s.alive, s.saved, neg(s.paused))


def may_be_destroyed(s: Shared) -> Bool:
    """Nothing else is left to do with the domain: it has no template, or it is half created or destroyed."""
    return all_of(s.alive, neg(runs(s)))


WHOLE = Recovery(
    slot_agrees,
    lambda s: all_of(whole_agrees(s), memory_agrees(s)),
    only_where={"destroy": may_be_destroyed},
)
"""Everything agrees again. A domain is destroyed only where its destruction had begun or its creation had not ended."""
KNOBS = Recovery(
    lambda _s, _k: True,
    lambda s: implies(runs(s), memory_agrees(s)),
    operations=frozenset({"set_memory_target", "rename"}),
)
"""The knobs of a whole domain agree again, by the operations that leave its devices alone."""
