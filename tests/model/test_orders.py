"""Operations and designs that are none are refused by name and place; a footprint is what a person would say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from confsync.model.engine.footprint import footprint
from confsync.model.engine.program import Program
from confsync.model.language import LanguageError, Operation, Step, either, neg, once, order, pointwise, step
from confsync.model.libxl import steps
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import EMPTY, Bounds, Local, Shared

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
        lambda: made(attach=GOOD["attach"].without(steps.allocate)),
        ("design `mine`", "operation `attach`", "no step of it writes `resources`", "attach a device"),
    ),
    "an eject that only looks": (
        lambda: made(eject=order(steps.take_lock, steps.refuse_unless_drive, steps.drop_lock)),
        ("design `mine`", "operation `eject`", "no step of it writes `xenstore`", "eject the medium"),
    ),
    "a draft that nothing has read": (
        lambda: made(attach=GOOD["attach"].without(steps.read_template)),
        (
            "design `mine`",
            "operation `attach`",
            "step 3, `write_template`",
            "`me.draft`",
            "attach is given config, slot",
        ),
    ),
    "an argument that it is not given": (
        lambda: made(detach=GOOD["detach"].before(steps.mark_closing, steps.enter_xenstore)),
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
        lambda: made(attach=order(*GOOD["attach"].steps[:-1], another_allocate(), steps.allocate)),
        ("design `mine`", "operation `attach`", "two different steps `allocate`", "give one another name"),
    ),
    "an operation that there is not": (
        lambda: made(atach=GOOD["attach"]),
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
        lambda: GOOD["attach"].before(steps.forget, look),
        ("`forget` is no step of this operation", "take_lock, read_template,"),
    ),
    "leaving out what is not there": (
        lambda: GOOD.without("mine", "A design of mine.", steps.write_back),
        ("design `mine`", "`write_back` is no step of `xenstore_first_locked`"),
    ),
    "a retrieve without an end": (
        lambda: made(retrieve=order(steps.read_template, steps.merge_knobs)),
        ("design `mine`", "operation `retrieve`", "end it with a step that does neither"),
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
    assert made(rename=GOOD["rename"].before(steps.write_name, look)).points


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
    f = footprint(of, LIBXL)
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
    """On this rests that one configuration is enough (`confsync.model.engine.slice`)."""
    assert footprint(of, LIBXL).compares is compares


def test_no_name_is_both_a_shared_field_and_a_local_one() -> None:
    """Footprints give what flows where by the name alone."""
    assert not Shared.fields().keys() & Local.fields().keys()
