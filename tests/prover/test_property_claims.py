"""What a proof claims of each property, held against states by hand: where the property does not hold the claim has a
counterexample, and where it holds it has none. No lemma is assumed, so a claim alone has to tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import pytest
import z3
from libxl_terms import CONSTANTS, EJECTABLE, SORTS

from confsync.model.language import AloneInvariant, Design, FixedPoint, once, order, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import ABSENT, AMOUNT, CONFIG, MADE_UP, NAME, Local, Shared
from confsync.model.libxl.steps import (
    answer,
    drop_device_lock,
    drop_lock,
    mark_closing,
    read_template,
    take_device_lock,
    take_lock,
)
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover import answers, locks
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.invariant.induction import Claim, Induction
from confsync.proofs.prover.invariant.lemma import Exclusive
from confsync.proofs.prover.properties import needed

recommended = DESIGNS[RECOMMENDED]
FIRST, OTHER = z3.Consts("c1 c2", SORTS[CONFIG])
"""Two configurations that users gave."""
NOTHING, STAND_IN = CONSTANTS[SORTS[CONFIG]][ABSENT], CONSTANTS[SORTS[CONFIG]][MADE_UP]
State = Mapping[str, Any]


KNOBS = cast(AloneInvariant, PROPERTIES["knobs_are_reflected"])
FIXED = cast(FixedPoint, PROPERTIES["retrieve_is_a_fixed_point"])


@cache
def induction(design: Design = recommended) -> Induction:
    return Induction(Relation(design))


def pinned(ind: Induction, state: State, process: Any = None) -> list[Any]:
    """That the fields have these values: a map at the slot `k`; a local of the process."""
    found = [z3.Distinct(FIRST, OTHER, *CONSTANTS[SORTS[CONFIG]].values())]
    for name, value in state.items():
        record, cells = (
            (Shared, ind.relation.shared)
            if name in Shared.fields()
            else (Local, ind.relation.view(ind.me if process is None else process).local)
        )
        field, held = record.fields()[name], cells.values[name]
        plain = CONSTANTS[SORTS[field.sort]][value] if field.sort in (NAME, AMOUNT) else value
        found.append((held(ind.k) if field.over else held) == plain)
    return found


def fails(claim: Claim, *known: Any) -> bool:
    """Whether the claim has a counterexample in which this is so."""
    solver = z3.Solver()
    solver.add(*(f for _, f in claim.given), claim.fails, *known)
    found = solver.check()
    assert found != z3.unknown
    return bool(found == z3.sat)


def by_name(claims: tuple[Claim, ...], name: str) -> Claim:
    found = [c for c in claims if name in c.name]
    assert found, f"there is no claim `{name}`"
    return found[0]


# ------------------------------------------------------------------ what a retrieve returns

WHOLE: State = {
    "alive": True, "paused": False, "saved": True, "template": FIRST, "xenstore": FIRST, "resources": True,
    "closing": False, "template_name": 1, "name": 1, "template_memory": 1, "memory": 1, "granted": 1, "torn": False,
    "locked": False, "device_locked": False,
}  # fmt: skip
"""A domain that runs, with a device in the slot."""
by_the_template = recommended.but(
    "by_the_template",
    "A retrieve that believes the template alone.",
    retrieve=order(take_lock, read_template, drop_lock, answer, on_failure=(once(take_lock, drop_lock),)),
)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, False),
        ({"template": OTHER}, True),
        ({"template": NOTHING}, True),
        ({"xenstore": OTHER}, True),
        ({"template_name": 0}, True),
        ({"template_memory": 0}, True),
        ({"alive": False}, True),
        ({"granted": 0}, False),
        ({"resources": False}, False),
    ],
    ids=str,
)
def test_exact_is_every_part_of_the_result(change: State, wrong: bool) -> None:
    """Of a retrieve that returns the template: each part of it that differs from the domain."""
    ind = induction(by_the_template)
    (claim,) = answers.exact(ind)
    assert fails(claim, EJECTABLE(ind.k) == z3.BoolVal(False), *pinned(ind, {**WHOLE, **change})) is wrong


def test_exact_is_asked_where_the_last_part_is_read() -> None:
    assert "retrieve 2 read_template" in answers.exact(induction(by_the_template))[0].name


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, False),
        ({"template_name": 0}, True),
        ({"name": 0}, True),
        ({"template_memory": 0}, True),
        ({"granted": 0}, True),
        ({"granted": 0, "torn": True}, False),
        ({"template_name": 0, "torn": True}, True),
        ({"template_name": 0, "saved": False}, False),
        ({"template_name": 0, "alive": False}, False),
        ({"template": OTHER}, False),
    ],
    ids=str,
)
def test_the_knobs_are_the_name_and_what_the_hypervisor_grants(change: State, wrong: bool) -> None:
    ind = induction(by_the_template)
    (claim,) = answers.alone(ind, KNOBS)
    assert fails(claim, *pinned(ind, {**WHOLE, **change})) is wrong


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, False),
        ({"template": OTHER}, True),
        ({"template": NOTHING}, True),
        ({"template": OTHER, "saved": False}, False),
        ({"template": OTHER, "alive": False}, False),
        ({"template_name": 0}, False),
        ({"template_memory": 0}, False),
        ({"granted": 0}, False),
    ],
    ids=str,
)
def test_a_domain_created_from_a_result_is_the_same(change: State, wrong: bool) -> None:
    """Of the recommended design, which takes the knobs from xenstore."""
    ind = induction()
    (claim,) = answers.fixed_point(ind, FIXED)
    assert fails(claim, EJECTABLE(ind.k) == z3.BoolVal(False), *pinned(ind, {**WHOLE, **change})) is wrong


@pytest.mark.parametrize("field", ["template_name", "template_memory"])
def test_a_domain_created_from_a_result_has_the_same_knobs(field: str) -> None:
    """Of a retrieve that takes them from the template, wrong knobs are in the result, and in what is created."""
    ind = induction(by_the_template)
    (claim,) = answers.fixed_point(ind, FIXED)
    assert not fails(claim, *pinned(ind, WHOLE))
    assert fails(claim, *pinned(ind, {**WHOLE, field: 0}))


def test_a_result_that_is_made_up_is_no_fixed_point() -> None:
    ind = induction()
    (claim,) = answers.fixed_point(ind, FIXED)
    assert fails(claim, *pinned(ind, {**WHOLE, "template": STAND_IN, "xenstore": STAND_IN}))


# ------------------------------------------------------------------ a way back


@step
def refuse_if_closing(s: Shared, me: Local) -> None:
    """Give up if the device is going away already."""
    me.fails_if(s.closing[me.slot])


@step
def refuse_if_alive(s: Shared, me: Local) -> None:
    """Give up where there is a domain."""
    me.fails_if(s.alive)


closed_for_good = recommended.but(
    "closed_for_good",
    "A detach cannot be begun again.",
    detach=recommended["detach"].before(mark_closing, refuse_if_closing),
)
ORDINARY = "where a domain runs a slot agrees, or can be mended"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "lost"),
    [({}, False), ({"closing": True}, True), ({"closing": True, "resources": False}, True)],
    ids=str,
)
def test_a_device_that_is_going_away_does_not_agree(change: State, lost: bool) -> None:
    """Where a detach is begun only once, a device that is closing stays so: there is no way back."""
    ind, claim = induction(closed_for_good), way_back(closed_for_good, ORDINARY)
    assert fails(claim, z3.Not(EJECTABLE(ind.k)), *pinned(ind, {**WHOLE, **change})) is lost


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [{"closing": True}, {"closing": True, "resources": False}, {"resources": False}, {"template": NOTHING}],
    ids=str,
)
def test_what_a_second_attempt_mends_can_be_mended(change: State) -> None:
    ind, claim = induction(), way_back(recommended, ORDINARY)
    assert not fails(claim, z3.Not(EJECTABLE(ind.k)), *pinned(ind, {**WHOLE, **change}))


stuck = recommended.but(
    "stuck",
    "Nothing can be done with a domain that is alive.",
    **{name: o.before(o.steps[0], refuse_if_alive) for name, o in recommended.operations()},
)


@cache
def ways_back(design: Design) -> tuple[Claim, ...]:
    return needed(PROPERTIES["always_recoverable"], induction(design), ARGUMENTS).claims


def way_back(design: Design, name: str) -> Claim:
    """The claim about recovery that has this in its name."""
    return by_name(ways_back(design), name)


@pytest.mark.parametrize(
    ("part", "change", "agrees"),
    [
        ("a slot", {}, True),
        ("a slot", {"template": OTHER}, False),
        ("a slot", {"resources": False}, False),
        ("a slot", {"closing": True}, False),
        ("a slot", {"granted": 0}, True),
        ("a slot", {"xenstore": NOTHING, "template": NOTHING}, False),
        ("a slot", {"xenstore": NOTHING, "template": NOTHING, "resources": False}, True),
        ("the memory target", {}, True),
        ("the memory target", {"granted": 0}, False),
        ("the memory target", {"memory": 0}, False),
        ("the memory target", {"template_memory": 0}, True),
    ],
    ids=str,
)
def test_where_nothing_can_be_done_only_what_agrees_is_recovered(part: str, change: State, agrees: bool) -> None:
    ind, claim = induction(stuck), way_back(stuck, f"where a domain runs {part} agrees")
    assert fails(claim, z3.Not(EJECTABLE(ind.k)), *pinned(ind, {**WHOLE, **change})) is not agrees


def test_half_a_domain_that_nothing_can_be_done_with_is_lost() -> None:
    ind, claim = induction(stuck), way_back(stuck, "half a domain")
    assert not fails(claim, *pinned(ind, WHOLE))
    for half in ({"paused": True}, {"saved": False}):
        assert fails(claim, *pinned(ind, {**WHOLE, **half}))


@pytest.mark.slow
@pytest.mark.parametrize("half", [{"paused": True}, {"saved": False}], ids=str)
def test_half_a_domain_can_be_destroyed_or_made_to_run(half: State) -> None:
    assert not fails(way_back(recommended, "half a domain"), *pinned(induction(), {**WHOLE, **half}))


def test_a_lock_that_is_held_where_nobody_is_at_work_is_lost() -> None:
    ind, claim = induction(stuck), way_back(stuck, "the lock is free")
    assert fails(claim, *pinned(ind, {"locked": True}))
    assert not fails(claim, *pinned(ind, {"locked": False}))


# ------------------------------------------------------------------ who waits for whom

BOTH = (once(take_lock, drop_lock), once(take_device_lock, drop_device_lock))
crossed = recommended.but(
    "crossed",
    "Two operations take both locks, in another order each.",
    rename=order(
        take_lock, take_device_lock, *recommended["rename"].steps[1:-1], drop_device_lock, drop_lock, on_failure=BOTH
    ),
    eject=order(
        take_device_lock, take_lock, *recommended["eject"].steps[1:-1], drop_lock, drop_device_lock, on_failure=BOTH
    ),
)  # fmt: skip
twice = recommended.but(
    "twice",
    "A rename takes the lock that it holds.",
    rename=order(take_lock, take_lock, *recommended["rename"].steps[1:], on_failure=(once(take_lock, drop_lock),)),
)


def point(ind: Induction, name: str) -> int:
    return ind.relation.names.index(name)


def test_a_circle_of_two_is_told_and_no_other() -> None:
    (*_, circle) = locks.acyclic(induction(crossed))
    assert circle.name == "no two wait for each other's `locked` and `device_locked`"
    assert fails(circle)
    assert not fails(locks.acyclic(induction())[-1])


def test_who_waits_for_the_lock_that_it_holds_is_told() -> None:
    ind = induction(twice)
    own = by_name(locks.acyclic(ind), "nobody waits for `locked`")
    assert fails(own, ind.at(ind.me, point(ind, "rename 2 take_lock")))
    assert not fails(own, ind.at(ind.me, point(ind, "rename 3 write_name")))
    assert len(locks.acyclic(ind)) == 3


def test_where_the_owners_of_both_locks_wait_nobody_goes_on() -> None:
    ind = induction(crossed)
    (claim,) = locks.somebody_goes_on(ind)
    one, other = ind.owner["locked"], ind.owner["device_locked"]
    stuck = [
        ind.at(one, point(ind, "rename 2 take_device_lock")),
        ind.at(other, point(ind, "eject 2 take_lock")),
        *pinned(ind, {"locked": True, "device_locked": True}),
        *pinned(ind, {"holds": True, "holds_device_lock": False}, one),
        *pinned(ind, {"holds": False, "holds_device_lock": True}, other),
    ]
    assert fails(claim, ind.me == one, *stuck)
    goes_on = [*stuck[1:], ind.at(one, point(ind, "rename 3 write_name"))]
    assert not fails(claim, ind.me == other, *goes_on)


def test_an_operation_begins_where_none_is_at_work() -> None:
    ind = induction(by_the_template)
    (claim,) = locks.somebody_begins(ind)
    assert not fails(claim, *pinned(ind, {"locked": False}))
    assert fails(claim, *pinned(ind, {"locked": True, "xenstore": NOTHING, "alive": False}))


# ------------------------------------------------------------------ what each property needs


def test_every_property_needs_something() -> None:
    assert ways_back(stuck)
    for name in PROPERTIES.keys() - {"always_recoverable"}:
        needs = needed(PROPERTIES[name], induction(by_the_template), ARGUMENTS)
        assert needs.lemmas or needs.claims, name


def test_exclusive_is_both_locks() -> None:
    assert set(needed(PROPERTIES["lock_is_exclusive"], induction(), ARGUMENTS).lemmas) == {
        Exclusive(lock) for lock in HOLDERS
    }


def test_every_operation_ends_is_that_one_goes_on_and_that_one_begins() -> None:
    names = {c.name for c in needed(PROPERTIES["every_operation_ends"], induction(by_the_template), ARGUMENTS).claims}
    assert names == {
        "where a process waits another at work does not",
        "where none is at work an operation can begin",
    }


def test_a_result_is_degraded_where_it_is_about_to_be_returned() -> None:
    ind = induction()
    (lemma,) = needed(PROPERTIES["retrieve_never_degraded"], ind, ARGUMENTS).lemmas
    there = ind.at(ind.me, point(ind, "retrieve 7 answer"))
    solver = z3.Solver()
    solver.add(ind.says(lemma, ind.me, ind.k), *pinned(ind, {"draft": STAND_IN}))
    assert solver.check(there) == z3.unsat
    assert solver.check(z3.Not(there)) == z3.sat


@pytest.mark.parametrize(
    ("name", "change", "holds"),
    [
        ("xenstore_has_template", {}, True),
        ("xenstore_has_template", {"template": NOTHING}, False),
        ("template_has_xenstore", {"xenstore": NOTHING}, False),
        ("resources_have_xenstore", {"xenstore": NOTHING}, False),
        ("resources_have_xenstore", {"xenstore": NOTHING, "resources": False}, True),
        ("resources_have_template", {"template": NOTHING}, False),
        ("template_is_faithful", {"template": OTHER}, False),
        ("template_is_faithful", {"template": NOTHING, "xenstore": NOTHING}, True),
        ("userdata_dies_with_domain", {"alive": False, "lock_file": False}, False),
        ("userdata_dies_with_domain", {"alive": False, "saved": False, "lock_file": False}, True),
    ],
    ids=str,
)
def test_a_property_of_the_stores_is_one_lemma_that_says_it(name: str, change: State, holds: bool) -> None:
    ind = induction()
    (lemma,) = needed(PROPERTIES[name], ind, ARGUMENTS).lemmas
    solver = z3.Solver()
    solver.add(*pinned(ind, {**WHOLE, "vouched": FIRST, **change}), z3.Not(EJECTABLE(ind.k)))
    says = ind.says(lemma, ind.me, ind.k)
    assert solver.check() == z3.sat
    assert (solver.check(z3.Not(says)) == z3.unsat) is holds
    assert (solver.check(says) == z3.unsat) is not holds
