"""What is not up to a step: what an operation may be asked with."""

from __future__ import annotations

from confsync.model.language import Bool, Signature, all_of, implies, neg
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP, Local, Slot


def may_be_asked(signature: Signature, me: Local, k: Slot) -> Bool:
    """What holds of an operation's arguments, slot by slot, as it begins: a configuration that a user can give; of a
    whole configuration, a drive that is empty or holds one."""
    conditions: list[Bool] = []
    if "config" in signature.takes:
        conditions += [me.config != c for c in (ABSENT, EMPTY, MADE_UP)]
    if "draft" in signature.takes:
        nothing = (implies(k.ejectable, me.draft[k] != ABSENT), implies(neg(k.ejectable), me.draft[k] != EMPTY))
        conditions += [*nothing, me.draft[k] != MADE_UP]
    return all_of(*conditions)
