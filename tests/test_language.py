"""The step language refuses what it has no meaning for, and says what, where, and what to write instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import steps
from model.concrete import Layout, Plain, WordCells
from model.designs import DESIGNS, RECOMMENDED
from model.footprint import footprint
from model.language import (
    ABSENT,
    EMPTY,
    FIRST_CONFIG,
    MADE_UP,
    ConcreteSlot,
    LanguageError,
    Sort,
    all_of,
    either,
    neg,
    pointwise,
)
from model.program import IDLE, Kind, Program
from model.state import Bounds, Local, Shared
from model.step import Operation, Step, StepFunction, once, order, step

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


@wrong("Local.watch", *GHOST)
def reads_the_ghost_watch(_: Any, me: Any) -> None:
    me.fails_if(me.watch == 0)  # here


ENGINE = "is the engine's: a step neither reads nor writes it"


@wrong("Local.at", ENGINE)
def writes_its_own_location(_: Any, me: Any) -> None:
    me.at = 0  # here


@wrong("Local.at", ENGINE)
def reads_its_own_location(_: Any, me: Any) -> None:
    me.fails_if(me.at == 0)  # here


@wrong("Shared.crashes", ENGINE)
def writes_the_number_of_crashes(s: Any, _: Any) -> None:
    s.crashes = 0  # here


# ------------------------------------------------------------------ the configuration behind an entry


@wrong(*UNSEEN, "no process can see the configuration behind an entry")
def looks_behind_an_entry(s: Any, me: Any) -> None:
    me.fails_if(s.attached[me.slot] != me.config)  # here


@wrong(*UNSEEN, "no process can see the configuration behind an entry")
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


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_step_is_refused_by_name_and_place_with_the_way_out(name: str) -> None:
    run, says = WRONG[name]
    lines, first = inspect.getsourcelines(run)
    here = first + next(i for i, line in enumerate(lines) if "# here" in line)
    with pytest.raises(LanguageError) as error:
        footprint(step(run))
    message = str(error.value)
    assert message.startswith(f"step `{name}` (test_language.py:{here}): ")
    for words in says:
        assert words in message
    assert "object at 0x" not in message


# ------------------------------------------------------------------ operations and designs

BOUNDS = Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=1, processes=1, crashes=1)
GOOD = DESIGNS[RECOMMENDED]


@step
def look(s: Shared, me: Local) -> None:
    me.fails_if(neg(s.alive))


def another_allocate() -> Step:
    @step
    def allocate(s: Shared, me: Local) -> None:
        s.resources[me.slot] = True

    return allocate


@step
def put_in_draft(_: Shared, me: Local) -> None:
    me.draft[me.slot] = me.config


@step
def copy_draft(s: Shared, me: Local) -> None:
    s.template = me.draft


def undecorated(s: Shared, _: Local) -> None:
    s.alive = True


def made(**changed: Operation) -> Program:
    return Program(GOOD.but("mine", "A design of mine.", **changed), BOUNDS)


NO_DESIGN: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "an operation without steps": (
        lambda: made(rename=order()),
        ("design `mine`", "operation `rename`", "it has no steps", "rename the domain"),
    ),
    "an attach that never allocates": (
        lambda: made(attach=GOOD.attach.without(steps.allocate)),
        ("design `mine`", "operation `attach`", "no step of it writes `resources`", "attach a device"),
    ),
    "an eject that only looks": (
        lambda: made(eject=order(steps.take_lock, steps.refuse_unless_drive, steps.drop_lock)),
        ("design `mine`", "operation `eject`", "no step of it writes `xenstore`", "eject the medium"),
    ),
    "a draft that nothing has read": (
        lambda: made(attach=GOOD.attach.without(steps.read_template)),
        (
            "design `mine`",
            "operation `attach`",
            "step 3, `write_template`",
            "`me.draft`",
            "attach is given config, slot",
        ),
    ),
    "an argument that it is not given": (
        lambda: made(detach=GOOD.detach.before(steps.mark_closing, steps.enter_xenstore)),
        ("design `mine`", "operation `detach`", "step 1, `enter_xenstore`", "`me.config`", "detach is given slot"),
    ),
    "a draft of which one slot has been set": (
        lambda: made(attach=order(put_in_draft, copy_draft, steps.enter_xenstore, steps.allocate)),
        ("design `mine`", "operation `attach`", "step 1, `put_in_draft`", "`me.draft`", "attach is given config, slot"),
    ),
    "a clean-up with a draft that nothing has read": (
        lambda: made(
            attach=order(
                steps.mark_closing,
                steps.take_lock,
                steps.read_template,
                steps.write_template,
                steps.enter_xenstore,
                steps.allocate,
                on_failure=(once(steps.take_lock, steps.forget),),
            )
        ),
        ("design `mine`", "operation `attach`", "clean-up of step 3, `forget`", "`me.draft`"),
    ),
    "two different steps of one name": (
        lambda: made(attach=order(*GOOD.attach.steps[:-1], another_allocate(), steps.allocate)),
        ("design `mine`", "operation `attach`", "two different steps `allocate`", "give one another name"),
    ),
    "an operation that there is not": (
        lambda: made(atach=GOOD.attach),
        ("design `mine`", "no such operation: atach", "there are create, attach, detach,"),
    ),
    "a function that is no step": (
        lambda: made(rename=order(steps.write_name, undecorated)),  # type: ignore[arg-type]
        ("`undecorated` is no step", "@step"),
    ),
    "a clean-up of steps": (
        lambda: made(rename=order(steps.write_name, on_failure=(steps.drop_lock,))),  # type: ignore[arg-type]
        ("`drop_lock` is no part of a clean-up", "once("),
    ),
    "a place that there is not": (
        lambda: GOOD.attach.before(steps.forget, look),
        ("`forget` is no step of this operation", "take_lock, read_template,"),
    ),
    "leaving out what is not there": (
        lambda: GOOD.without("mine", "A design of mine.", steps.write_back),
        ("design `mine`", "`write_back` is no step of `xenstore_first_locked`"),
    ),
    "a retrieve without an end": (
        lambda: made(retrieve=order(steps.read_template, steps.merge_knobs)),
        ("design `mine`", "operation `retrieve`", "`answer`"),
    ),
}


@pytest.mark.parametrize("name", NO_DESIGN)
def test_what_is_no_design_is_refused_by_name_and_place_with_the_way_out(name: str) -> None:
    make, says = NO_DESIGN[name]
    with pytest.raises(LanguageError) as error:
        make()
    for words in says:
        assert words in str(error.value)


def test_a_step_of_ones_own_needs_nothing_else() -> None:
    assert made(rename=GOOD.rename.before(steps.write_name, look)).points


# ------------------------------------------------------------------ footprints


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def touches(
    *, reads: str = "", uses: str = "", writes: str = "", keeps: str = "", replaces: str = "", guards: str = ""
) -> tuple[object, ...]:
    """What a person would say: fields of `s` it reads, of `me` it uses; of `s` it writes; what it keeps in `me`,
    and which of that it replaces whole; and its guards."""
    return *map(names, (reads, uses, writes, keeps, replaces)), "waits" in guards, "refuses" in guards


FILE = "template template_name template_memory"
COPY = "draft draft_name draft_memory"
FOOTPRINTS = {
    steps.take_lock: touches(
        reads="locked", writes="locked lock_file", keeps="holds", replaces="holds", guards="waits"
    ),
    steps.drop_lock: touches(
        uses="holds", writes="locked lock_file", keeps="holds", replaces="holds", guards="refuses"
    ),
    steps.read_template: touches(reads=f"saved {FILE}", keeps=COPY, replaces=COPY, guards="refuses"),
    steps.write_template: touches(uses=f"slot config {COPY}", writes=f"saved {FILE}", keeps="draft"),
    steps.enter_xenstore: touches(reads="xenstore", uses="slot config", writes="xenstore", guards="refuses"),
    steps.leave_xenstore: touches(reads="closing resources", uses="slot", writes="xenstore closing", guards="refuses"),
    steps.merge_media: touches(reads="xenstore", uses="draft", keeps="draft", replaces="draft"),
    steps.grant_what_xenstore_says: touches(reads="alive memory", writes="granted", guards="refuses"),
    steps.answer: touches(),
}


@pytest.mark.parametrize("of", FOOTPRINTS, ids=str)
def test_a_footprint_is_what_a_person_would_say(of: Step) -> None:
    f = footprint(of)
    found = (f.reads_shared, f.reads_local, f.writes_shared, f.writes_local, f.replaces_local, f.waits, f.refuses)
    assert found == FOOTPRINTS[of]
    assert f.guards == f.waits + f.refuses


@step
def compare(s: Shared, me: Local) -> None:
    me.fails_if(s.template[me.slot] == me.config)


@step
def compare_in_a_choice(s: Shared, me: Local) -> None:
    s.closing = pointwise(lambda k: either(k.ejectable, me.draft[k], EMPTY) == me.config)


@pytest.mark.parametrize(
    ("of", "compares"),
    [
        (steps.refuse_if_present, False),
        (steps.merge_media, False),
        (compare, True),
        (compare_in_a_choice, True),
    ],
    ids=str,
)
def test_a_footprint_says_whether_values_are_compared(of: Step, compares: bool) -> None:
    """On this rests that one configuration is enough (`model.slice`)."""
    assert footprint(of).compares is compares


def test_no_name_is_both_a_shared_field_and_a_local_one() -> None:
    """Footprints give what flows where by the name alone."""
    assert not Shared.fields().keys() & Local.fields().keys()


# ------------------------------------------------------------------ words

EXTRA = {Sort.LOCATION: 90, Sort.WATCH: 5}
BOUNDS_OF_ANY_SIZE = st.builds(
    Bounds,
    slots=st.integers(0, 40),
    ejectable=st.integers(0, 5),
    configs=st.integers(1, 9),
    names=st.integers(1, 4),
    amounts=st.integers(1, 5),
    crashes=st.integers(0, 3),
)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    return Layout(draw(st.sampled_from([Shared, Local])), draw(BOUNDS_OF_ANY_SIZE), EXTRA)


def values_of(layout: Layout, name: str) -> st.SearchStrategy[Plain]:
    """Any value of a field; of a map, one for each slot."""
    f = layout.record.fields()[name]
    if f.sort is Sort.SLOT:
        return st.sampled_from(layout.slots) if layout.slots else st.just(0)
    size = EXTRA[f.sort] if f.sort in EXTRA else layout.bounds.size(f.sort)
    one = st.booleans() if f.sort is Sort.BOOL else st.integers(0, size - 1)
    return st.tuples(*[one] * len(layout.slots)) if f.per_slot else one


@settings(deadline=None)
@given(st.data(), layouts())
def test_a_field_is_read_back_as_it_was_put_and_no_other_changes(data: st.DataObject, layout: Layout) -> None:
    word = data.draw(st.integers(0, (1 << layout.width) - 1))
    name = data.draw(st.sampled_from(sorted(layout.places)))
    value = data.draw(values_of(layout, name))
    after = layout.put(word, name, value)
    assert layout.get(after, name) == value
    assert after >> layout.width == 0
    assert (after ^ word) & ~layout.mask({name}) == 0


@settings(deadline=None)
@given(st.data(), layouts())
def test_a_word_is_its_fields(data: st.DataObject, layout: Layout) -> None:
    """Putting every field gives one word, whatever stood there; so two states are equal just if their words are."""
    values = {name: data.draw(values_of(layout, name)) for name in layout.places}
    first, second = 0, (1 << layout.width) - 1
    for name, value in values.items():
        first, second = layout.put(first, name, value), layout.put(second, name, value)
    assert first == second
    assert {name: layout.get(first, name) for name in values} == values


@settings(deadline=None)
@given(layouts())
def test_fields_share_no_bit_and_leave_none_over(layout: Layout) -> None:
    assert layout.mask(set(layout.places)) == (1 << layout.width) - 1
    assert sum(p.mask.bit_count() for p in layout.places.values()) == layout.width


def run(program: Program, shared: int, operation: str, **arguments: Plain) -> tuple[int, int]:
    """One operation to its end, nothing failing. -> the shared word, and the local one before its last step"""
    local = program.local_layout.put(IDLE, "at", program.first[operation])
    for name, value in arguments.items():
        local = program.local_layout.put(local, name, value)
    last = local
    while local != IDLE:
        last, point = local, program.point_of(local)
        taken = next(e for e in program.outcomes(point, shared, local, set()) or [] if e.kind is Kind.STEP)
        t = program.apply(taken, point, shared, local)
        shared, local = t.shared, t.local
    return shared, last


def test_a_state_wider_than_a_machine_word_is_exact() -> None:
    program = Program(GOOD, Bounds(slots=6, ejectable=1, configs=1, names=2, amounts=2))
    get, slots = program.shared_layout.get, program.shared_layout.slots
    assert program.shared_layout.width > 64
    asked = (FIRST_CONFIG, *(ABSENT,) * 5, EMPTY)
    shared, _ = run(program, program.initial, "create", draft=asked)
    shared, _ = run(program, shared, "attach", slot=slots[5], config=FIRST_CONFIG)
    shared, _ = run(program, shared, "insert", slot=slots[6], config=FIRST_CONFIG)
    shared, _ = run(program, shared, "detach", slot=slots[0])
    now = (*(ABSENT,) * 5, FIRST_CONFIG, FIRST_CONFIG)
    for name in ("template", "xenstore", "vouched"):
        assert get(shared, name) == now
    assert get(shared, "resources") == tuple(c != ABSENT for c in now)
    shared, local = run(program, shared, "retrieve")
    assert program.local_layout.get(local, "draft") == now
    shared, _ = run(program, shared, "destroy")
    assert shared == program.initial


@pytest.mark.parametrize("slots", [1, 8, 33, 200])
def test_a_step_writes_the_last_slot_and_no_other(slots: int) -> None:
    bounds = Bounds(slots=slots, ejectable=0, configs=5)
    shared, local = Layout(Shared, bounds, EXTRA), Layout(Local, bounds, EXTRA)
    k = ConcreteSlot(slots - 1, ejectable=False)
    before = tuple(FIRST_CONFIG + i % 5 for i in range(slots))
    me = WordCells(local, local.put(local.put(local.put(0, "draft", before), "slot", k), "config", MADE_UP), [])
    s = WordCells(shared, 0, [])
    steps.write_template.run(Shared(s), Local(me))
    assert shared.get(s.word, "template") == (*before[:-1], MADE_UP)
    assert s.word & ~s.written == 0
