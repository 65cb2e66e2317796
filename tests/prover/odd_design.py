"""A design that makes no sense and says all that the language can say: the registered ones never have two guards in
a step, take the second lock, compare two configurations, or choose between two that have names."""

from __future__ import annotations

from confsync.model.language import all_of, any_of, either, implies, neg, once, order, pointwise, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP, Local, Shared
from confsync.model.libxl.steps import (
    answer,
    drop_device_lock,
    drop_lock,
    read_template,
    take_lock,
    write_name,
    write_template,
)

recommended = DESIGNS[RECOMMENDED]


@step(may_fail=True)
def take_both_locks(s: Shared, me: Local) -> None:
    """Guards of both kinds by turns: which one comes first tells whether it is refused or waits."""
    me.waits_until(neg(s.locked))
    me.fails_if(neg(s.alive))
    me.waits_until(neg(s.device_locked))
    me.fails_if(s.paused)
    s.locked = True
    s.lock_file = True
    me.holds = True
    s.device_locked = True
    me.holds_device_lock = True


@step
def refuse_or_wait(s: Shared, me: Local) -> None:
    """Refused first, of two maps at two slots; then a wait."""
    me.fails_if(all_of(s.template[me.slot] != me.config, me.draft[me.slot] == s.template[me.slot]))
    me.waits_until(implies(s.closing[me.slot], s.resources[me.slot]))


@step
def choose(s: Shared, me: Local) -> None:
    """Choices between numbers alone, at one slot and at all; and a choice of one choice or another."""
    which = either(s.closing[me.slot], EMPTY, ABSENT)
    me.config = either(which == s.template[me.slot], me.config, either(s.saved, which, MADE_UP))
    me.draft = pointwise(lambda k: either(any_of(k == me.slot, which == EMPTY), me.draft[k], which))


@step
def mix(s: Shared, me: Local) -> None:
    """Maps written at a slot and then whole, from one another; values that have names; flags compared."""
    s.xenstore[me.slot] = either(s.xenstore[me.slot].empty, me.config, EMPTY)
    s.closing[me.slot] = s.alive != s.saved
    s.closing = pointwise(lambda k: either(k == me.slot, s.closing[k], s.xenstore[k].present))
    s.resources = s.closing
    s.closing[me.slot] = s.xenstore[me.slot].empty
    s.template = me.draft
    s.template[me.slot] = ABSENT


@step
def rename_at_random(s: Shared, me: Local) -> None:  # noqa: ARG001
    """Names that are equal or not; the first by its number."""
    s.template_name = either(s.name == s.template_name, 0, s.name)
    s.memory = either(s.granted != s.template_memory, s.template_memory, 0)


@step
def answer_what_differs(s: Shared, me: Local) -> None:
    """The result is what the draft and the file disagree on."""
    me.draft = pointwise(
        lambda k: either(me.draft[k] == s.template[k], either(k.ejectable, EMPTY, ABSENT), me.draft[k])
    )


odd_design = recommended.but(
    "odd",
    "Every turn of phrase, and no sense.",
    rename=order(
        rename_at_random, take_both_locks, write_name, drop_device_lock, drop_lock,
        on_failure=(once(take_both_locks, drop_device_lock, drop_lock),),
    ),
    attach=order(
        take_lock, read_template, choose, refuse_or_wait, mix, write_template, *recommended["attach"].steps[4:],
        on_failure=(once(mix, choose), once(take_lock, drop_lock)),
    ),
    retrieve=order(read_template, answer_what_differs, answer),
)  # fmt: skip
