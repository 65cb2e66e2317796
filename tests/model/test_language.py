"""The step language refuses what it has no meaning for, and says what, where, and what to write instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from confsync.model.engine.footprint import footprint
from confsync.model.language import LanguageError, StepFunction, all_of, either, neg, pointwise, step
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import ABSENT, EMPTY

WRONG: dict[str, tuple[StepFunction, tuple[str, ...]]] = {}


def wrong(*says: str) -> Callable[[Callable[..., object]], object]:
    """A step that is no step: what the message must say. The line at fault is marked with `here`. The records are
    `Any` there, because mypy would refuse most of them at once."""

    def note(run: Any) -> object:
        WRONG[run.__name__] = run, says
        return run

    return note


BRANCH = ("must not branch on state", "`neg(a)`", "`all_of(a, b)`", "`any_of(a, b)`", "`either(condition, a, b)`")
UNSEEN = ("`.present`", "`.empty`", "Shared.xenstore")

# ------------------------------------------------------------------ branches on state


@wrong(*BRANCH)
def branches_with_if(s: Any, me: Any) -> None:
    if s.alive:  # here
        me.holds = True


@wrong(*BRANCH)
def branches_with_a_conditional_expression(s: Any, me: Any) -> None:
    me.draft[me.slot] = EMPTY if s.xenstore[me.slot].empty else me.config  # here


@wrong(*BRANCH)
def branches_with_and(s: Any, me: Any) -> None:
    me.fails_if(s.alive and s.saved)  # here


@wrong(*BRANCH)
def branches_with_or(s: Any, me: Any) -> None:
    me.fails_if(s.locked or s.alive)  # here


@wrong(*BRANCH)
def branches_with_not(s: Any, me: Any) -> None:
    me.waits_until(not s.locked)  # here


@wrong(*BRANCH)
def branches_with_while(s: Any, me: Any) -> None:
    while s.locked:  # here
        me.holds = False


@wrong(*BRANCH)
def branches_with_a_chained_comparison(s: Any, me: Any) -> None:
    me.fails_if(ABSENT != s.template[me.slot] != EMPTY)  # here


@wrong(*BRANCH)
def branches_with_in(s: Any, me: Any) -> None:
    me.fails_if(s.template[me.slot] in (ABSENT, EMPTY))  # here


@wrong(*UNSEEN)
def branches_on_an_entry(s: Any, me: Any) -> None:
    if s.xenstore[me.slot]:  # here
        me.holds = True


@wrong(*UNSEEN)
def takes_an_entry_for_a_condition(s: Any, me: Any) -> None:
    me.fails_if(neg(s.xenstore[me.slot]))  # here


@wrong(*UNSEEN)
def takes_an_entry_for_one_condition_of_two(s: Any, me: Any) -> None:
    me.fails_if(all_of(s.alive, s.xenstore[me.slot]))  # here


@wrong("Shared.template", "pointwise(lambda k: ...)")
def walks_a_map(s: Any, me: Any) -> None:
    for k in s.template:  # here
        me.draft[k] = EMPTY


@wrong("Shared.template", "pointwise(lambda k: ...)")
def counts_a_map(s: Any, me: Any) -> None:
    me.fails_if(len(s.template) == 0)  # here


@wrong("Shared.template", "pointwise(lambda k: ...)")
def branches_on_a_map(s: Any, me: Any) -> None:
    if s.template:  # here
        me.holds = True


# ------------------------------------------------------------------ fields that are not there, or not for steps


@wrong("there is no field `tempalte`", "the fields are alive,", " template,")
def reads_an_unknown_field(s: Any, me: Any) -> None:
    me.draft = s.tempalte  # here


@wrong("there is no field `saves`", "the fields are alive,", " saved,")
def writes_an_unknown_field(s: Any, _: Any) -> None:
    s.saves = True  # here


@wrong("there is no field `target`", "the fields are at,", " amount,")
def reads_an_unknown_local(s: Any, me: Any) -> None:
    s.memory = me.target  # here


@wrong("there is no field `has_lock`", "the fields are at,", " holds,")
def writes_an_unknown_local(_: Any, me: Any) -> None:
    me.has_lock = True  # here


GHOST = ("is a ghost: no process can see it or write it", "leave it out")


@wrong("Shared.torn", *GHOST)
def writes_the_ghost_torn(s: Any, _: Any) -> None:
    s.torn = False  # here


@wrong("Shared.vouched", *GHOST)
def writes_the_ghost_vouched(s: Any, me: Any) -> None:
    s.vouched = me.draft  # here


@wrong("Shared.vouched", *GHOST)
def writes_the_ghost_vouched_at_its_slot(s: Any, me: Any) -> None:
    s.vouched[me.slot] = ABSENT  # here


@wrong("Shared.vouched", *GHOST)
def reads_the_ghost_vouched(s: Any, me: Any) -> None:
    me.fails_if(s.vouched[me.slot] == ABSENT)  # here


@wrong("LocalRecord.watch", *GHOST)
def reads_the_ghost_watch(_: Any, me: Any) -> None:
    me.fails_if(me.watch == 0)  # here


ENGINE = "is the engine's: a step neither reads nor writes it"


@wrong("LocalRecord.at", ENGINE)
def writes_its_own_location(_: Any, me: Any) -> None:
    me.at = 0  # here


@wrong("LocalRecord.at", ENGINE)
def reads_its_own_location(_: Any, me: Any) -> None:
    me.fails_if(me.at == 0)  # here


@wrong("Shared.crashes", ENGINE)
def writes_the_number_of_crashes(s: Any, _: Any) -> None:
    s.crashes = 0  # here


# ------------------------------------------------------------------ the configuration behind an entry


@wrong(*UNSEEN, "no process can see what is behind an entry")
def looks_behind_an_entry(s: Any, me: Any) -> None:
    me.fails_if(s.attached[me.slot] != me.config)  # here


@wrong(*UNSEEN, "no process can see what is behind an entry")
def copies_what_is_behind_the_entries(s: Any, me: Any) -> None:
    me.draft = s.attached  # here


@wrong("`attached`", "Shared.xenstore")
def writes_what_is_behind_the_entries(s: Any, me: Any) -> None:
    s.attached = me.draft  # here


@wrong(*UNSEEN, "can't be rebuilt from xenstore")
def copies_the_entries(s: Any, me: Any) -> None:
    me.draft = s.xenstore  # here


@wrong(*UNSEEN, "can't be rebuilt from xenstore")
def copies_an_entry(s: Any, me: Any) -> None:
    me.draft[me.slot] = s.xenstore[me.slot]  # here


@wrong(*UNSEEN, "can't be rebuilt from xenstore")
def copies_an_entry_into_a_value(s: Any, me: Any) -> None:
    me.config = s.xenstore[me.slot]  # here


@wrong(*UNSEEN, "can't be rebuilt from xenstore")
def copies_entries_one_by_one(s: Any, me: Any) -> None:
    me.draft = pointwise(lambda k: s.xenstore[k])  # here


@wrong(*UNSEEN, "can't be rebuilt from xenstore")
def copies_an_entry_in_a_choice(s: Any, me: Any) -> None:
    me.draft[me.slot] = either(s.alive, s.xenstore[me.slot], ABSENT)  # here


@wrong(*UNSEEN)
def compares_an_entry_with_a_configuration(s: Any, me: Any) -> None:
    me.fails_if(s.xenstore[me.slot] == me.config)  # here


@wrong(*UNSEEN)
def asks_whether_an_entry_is_another(s: Any, me: Any) -> None:
    me.fails_if(s.xenstore[me.slot] != me.config)  # here


@wrong("behind")
def takes_the_configuration_out_of_an_entry(s: Any, me: Any) -> None:
    me.config = s.xenstore[me.slot].behind  # here


# ------------------------------------------------------------------ values of the wrong sort


@wrong("Shared.alive holds a Bool, not 3")
def writes_a_number_into_a_flag(s: Any, _: Any) -> None:
    s.alive = 3  # here


@wrong("Local.draft holds", "Config", "not 'x'")
def writes_text_into_a_map(_: Any, me: Any) -> None:
    me.draft[me.slot] = "x"  # here


@wrong("Shared.closing holds a Bool, not 3")
def writes_a_number_into_a_map_of_flags(s: Any, me: Any) -> None:
    s.closing[me.slot] = 3  # here


@wrong("Shared.closing holds a Bool, not 3")
def writes_a_number_into_every_flag(s: Any, _: Any) -> None:
    s.closing = pointwise(lambda k: 3)  # noqa: ARG005 # here


@wrong("Local.draft holds a Config, not 7", "ABSENT, EMPTY, MADE_UP")
def writes_a_configuration_that_has_no_name(_: Any, me: Any) -> None:
    me.draft[me.slot] = 7  # here


@wrong("Shared.name holds a Name, not True")
def writes_a_yes_into_a_name(s: Any, _: Any) -> None:
    s.name = True  # here


@wrong("Shared.name holds a Name, not", "Amount", "`amount`")
def writes_an_amount_into_a_name(s: Any, me: Any) -> None:
    s.name = me.amount  # here


@wrong("Shared.alive holds a Bool, not", "Config", "`config`")
def writes_a_configuration_into_a_flag(s: Any, me: Any) -> None:
    s.alive = me.config  # here


@wrong("Local.draft holds a Config, not", "Bool", "`closing`")
def copies_flags_into_a_map_of_configurations(s: Any, me: Any) -> None:
    me.draft = s.closing  # here


@wrong("Shared.name holds a Name, not", "Local.draft")
def writes_a_map_into_a_value(s: Any, me: Any) -> None:
    s.name = me.draft  # here


@wrong("Local.draft is a map: assign another map, or pointwise(...)")
def writes_a_value_into_a_map(_: Any, me: Any) -> None:
    me.draft = me.config  # here


@wrong("a Name", "an Amount", "`name`", "`granted`")
def compares_a_name_with_an_amount(s: Any, me: Any) -> None:
    me.fails_if(s.name == s.granted)  # here


@wrong("Shared.template", "at a slot")
def compares_two_maps(s: Any, me: Any) -> None:
    me.fails_if(s.template == me.draft)  # here


@wrong("a Config", "`config`", "is never equal to 7")
def compares_with_a_configuration_that_has_no_name(_: Any, me: Any) -> None:
    me.fails_if(me.config == 7)  # here


@wrong("an Amount", "`granted`", "only whether they are equal")
def compares_amounts_by_size(s: Any, me: Any) -> None:
    me.fails_if(s.granted < me.amount)  # here


@wrong("an Amount", "`amount`", "only whether they are equal")
def counts_with_an_amount(s: Any, me: Any) -> None:
    s.granted = me.amount + 1  # here


@wrong("Shared.template is a map on slots: 0 is no slot")
def reads_at_a_number(s: Any, me: Any) -> None:
    me.fails_if(s.template[0] == ABSENT)  # here


@wrong("Shared.template is a map on slots: 0 is no slot")
def writes_at_a_number(s: Any, _: Any) -> None:
    s.template[0] = ABSENT  # here


@wrong("Shared.template is a map on slots:", "`config`", "is no slot")
def reads_at_a_configuration(s: Any, me: Any) -> None:
    me.fails_if(s.template[me.config] == ABSENT)  # here


@wrong("a condition is needed", "an Amount", "`amount`")
def takes_an_amount_for_a_condition(_: Any, me: Any) -> None:
    me.fails_if(neg(me.amount))  # here


# ------------------------------------------------------------------ guards, and the shape of a step


@wrong("a guard comes before any update", "a step that is refused has done nothing")
def guards_after_an_update(s: Any, me: Any) -> None:
    s.saved = True
    me.fails_if(s.alive)  # here


@wrong("a guard comes before any update")
def guards_after_an_update_of_its_own(s: Any, me: Any) -> None:
    me.holds = True
    me.waits_until(neg(s.locked))  # here


@wrong("a guard needs a condition, not 3")
def guards_with_a_number(_: Any, me: Any) -> None:
    me.fails_if(3)  # here


@wrong("a guard needs a condition, not", "`amount`")
def guards_with_an_amount(_: Any, me: Any) -> None:
    me.fails_if(me.amount)  # here


@wrong("it returns a Probe", "returns nothing")  # here
def returns_a_value(s: Any, _: Any) -> object:
    return s.alive


@wrong("it returns a generator", "returns nothing")  # here
def is_a_generator(s: Any, _: Any) -> Iterator[None]:
    s.alive = True
    yield


@wrong("NameError", "'allocated'")
def names_what_is_not_there(s: Any, _: Any) -> None:
    s.alive = allocated  # type: ignore[name-defined] # noqa: F821 # here


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_step_is_refused_by_name_and_place_with_the_way_out(name: str) -> None:
    run, says = WRONG[name]
    lines, first = inspect.getsourcelines(run)
    here = first + next(i for i, line in enumerate(lines) if "# here" in line)
    with pytest.raises(LanguageError) as error:
        footprint(step(run), LIBXL)
    message = str(error.value)
    assert message.startswith(f"step `{name}` (test_language.py:{here}): ")
    for words in says:
        assert words in message
    assert "object at 0x" not in message
