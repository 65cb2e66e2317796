"""What single transitions of the recommended design do, written down by hand: on terms, and on plain values.

The relation on terms and the program are two readings of the same step functions; these facts are in neither."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import z3
from libxl_terms import CONSTANTS, EJECTABLE, SORTS

from confsync.model.engine.concrete import Plain
from confsync.model.engine.program import Kind, Program
from confsync.model.language import Sort
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, AMOUNT, CONFIG, EMPTY, FIRST_CONFIG, NAME, SLOT, Bounds, Local, Shared
from confsync.proofs.prover.carrier.relation import Relation, Transition

C = FIRST_CONFIG
D = FIRST_CONFIG + 1
BOUNDS = Bounds(slots=2, ejectable=0, configs=2, names=2, amounts=2, processes=1, crashes=2)
HERE, THERE = z3.Consts("here there", SORTS[SLOT])
State = Mapping[str, Plain]
ALONE: State = {
    "alive": True, "saved": True, "locked": True, "lock_file": True, "holds": True, "slot": 0, "torn": False,
    "crashes": 0,
}  # fmt: skip
"""A process that is at work on the first slot of a domain, and holds the lock."""

Fact = tuple[str, State, State]
FACTS: tuple[Fact, ...] = (
    # a death: its locks are free, their file stays, it is counted
    ("attach 5 enter_xenstore dies", {}, {"locked": False, "lock_file": True, "crashes": 1}),
    ("attach 5 enter_xenstore dies", {"holds": False}, {"locked": True}),
    ("attach 5 enter_xenstore dies", {"crashes": 1}, {"crashes": 2}),
    # who dies before the device is in xenstore has not vouched for it; who dies after has
    ("attach 5 enter_xenstore dies", {"vouched": (C, D), "xenstore": (ABSENT, D)}, {"vouched": (ABSENT, D)}),
    ("attach 6 drop_lock dies", {"vouched": (C, D), "xenstore": (C, D)}, {"vouched": (C, D)}),
    ("attach 5 enter_xenstore fails", {"vouched": (C, D), "xenstore": (ABSENT, ABSENT)}, {"vouched": (ABSENT, D)}),
    ("rename 2 write_name dies", {"vouched": (C, D), "xenstore": (ABSENT, ABSENT)}, {"vouched": (C, D)}),
    ("destroy 5 remove_template dies", {"vouched": (C, D), "xenstore": (ABSENT, D)}, {"vouched": (ABSENT, D)}),
    # a memory target that is granted and not in xenstore is torn, after a death too
    ("set_memory_target 3 write_memory dies", {"granted": 1, "memory": 0}, {"torn": True}),
    ("set_memory_target 3 write_memory dies", {"granted": 1, "memory": 1}, {"torn": False}),
    ("attach 5 enter_xenstore dies", {"torn": True}, {"torn": True}),
    ("set_memory_target 2 grant_memory takes", {"amount": 1, "memory": 0}, {"granted": 1, "torn": True}),
    ("set_memory_target 3 write_memory takes", {"amount": 1, "torn": True}, {"memory": 1, "torn": False}),
    # a write at one slot leaves the others
    ("attach 5 enter_xenstore takes", {"config": C, "xenstore": (ABSENT, D)}, {"xenstore": (C, D)}),
    (
        "attach 4 write_template takes",
        {"config": C, "draft": (ABSENT, D), "vouched": (ABSENT, D)},
        {"template": (C, D), "vouched": (C, D), "saved": True},
    ),
    ("detach 4 leave_xenstore takes", {"xenstore": (C, D), "closing": (True, True)}, {"xenstore": (ABSENT, D)}),
    ("detach 4 leave_xenstore takes", {"xenstore": (C, D), "closing": (True, True)}, {"closing": (False, True)}),
    # a write of all slots reads them as they were
    (
        "destroy 2 close_devices takes",
        {"xenstore": (C, ABSENT), "closing": (False, True)},
        {"closing": (True, False), "paused": True},
    ),
    (
        "destroy 3 release_devices takes",
        {"resources": (True, True), "closing": (True, False)},
        {"resources": (False, True)},
    ),
    # a failure, and a refusal, have done nothing
    ("attach 5 enter_xenstore fails", {"config": C, "xenstore": (ABSENT, D)}, {"xenstore": (ABSENT, D)}),
    ("attach 5 enter_xenstore fails", {"locked": True}, {"locked": True}),
    ("attach 5 enter_xenstore is refused", {"config": C, "xenstore": (D, D)}, {"xenstore": (D, D)}),
    # an operation that has ended holds nothing
    ("attach clean-up drop_lock takes", {}, {"locked": False, "lock_file": False}),
)  # fmt: skip
IMPOSSIBLE: tuple[tuple[str, State], ...] = (
    ("attach 5 enter_xenstore takes", {"xenstore": (D, ABSENT)}),
    ("attach 5 enter_xenstore is refused", {"xenstore": (ABSENT, D)}),
    ("detach 4 leave_xenstore takes", {"xenstore": (C, D), "closing": (False, True)}),
    ("detach 4 leave_xenstore takes", {"xenstore": (C, D), "closing": (True, True), "resources": (True, False)}),
    ("attach clean-up drop_lock takes", {"holds": False}),
    ("attach clean-up drop_lock is refused", {}),
)
"""Transitions that a state does not allow."""


@cache
def relation() -> Relation:
    return Relation(DESIGNS[RECOMMENDED])


@cache
def transition(name: str) -> Transition:
    place, _, kind = name.partition(next(f" {k.value}" for k in Kind if name.endswith(f" {k.value}")))
    number = relation().names.index(place)
    assert not kind
    found = relation().outcomes(number, relation().view(relation().me))
    return next(t for t in found if t.name == name)


def term(sort: Sort, value: Plain) -> Any:
    """A plain value as a term: configurations that have no name by two constants that differ from all that have."""
    if sort == CONFIG and isinstance(value, int) and value >= FIRST_CONFIG:
        return z3.Const(f"c{value - FIRST_CONFIG + 1}", SORTS[CONFIG])
    named = CONSTANTS.get(SORTS[sort])
    return named[value] if named and isinstance(value, int) else value


def equations(values: State, shared: Any, local: Any) -> list[Any]:
    found = []
    for name, value in values.items():
        field, cells = (Shared.fields()[name], shared) if name in Shared.fields() else (Local.fields()[name], local)
        held = cells.values[name]
        if field.sort == SLOT:
            found.append(held == HERE)
        elif field.over:
            assert isinstance(value, tuple)
            found += [held(k) == term(field.sort, v) for k, v in zip((HERE, THERE), value, strict=True)]
        else:
            found.append(held == term(field.sort, value))
    return found


def solver_before(t: Transition, before: State) -> z3.Solver:
    solver = z3.Solver()
    configs = [*CONSTANTS[SORTS[CONFIG]].values(), term(CONFIG, C), term(CONFIG, D)]
    solver.add(HERE != THERE, z3.Distinct(*configs), z3.Not(EJECTABLE(HERE)), z3.Not(EJECTABLE(THERE)))
    solver.add(*(z3.Distinct(*CONSTANTS[SORTS[s]].values()) for s in (NAME, AMOUNT)))
    solver.add(*equations({**ALONE, **before}, t.before.shared, t.before.local), *(g for _, g in t.guards))
    return solver


@pytest.mark.parametrize(("name", "before", "after"), FACTS, ids=str)
def test_a_transition_on_terms(name: str, before: State, after: State) -> None:
    t = transition(name)
    solver = solver_before(t, before)
    assert solver.check() == z3.sat
    for equation in equations(after, t.after.shared, t.after.local):
        assert solver.check(z3.Not(equation)) == z3.unsat, equation


@pytest.mark.parametrize(("name", "before"), IMPOSSIBLE, ids=str)
def test_a_transition_that_is_not_possible_on_terms(name: str, before: State) -> None:
    assert solver_before(transition(name), before).check() == z3.unsat


# ------------------------------------------------------------------ on plain values


@cache
def program() -> Program:
    return Program(DESIGNS[RECOMMENDED], BOUNDS)


def outcomes(name: str, before: State) -> list[State]:
    """The shared states after a transition by this name, on plain values."""
    number, given = relation().names.index(name.rpartition(" ")[0].removesuffix(" is")), {**ALONE, **before}
    shared, local = 0, program().local_layout.put(0, "at", number)
    for field, value in given.items():
        if field in Shared.fields():
            shared = program().shared_layout.put(shared, field, value)
        else:
            plain = program().shared_layout.elements(SLOT)[0] if field == "slot" else value
            local = program().local_layout.put(local, field, plain)
    return [
        {field: program().shared_layout.get(t.shared, field) for field in program().shared_layout.places}
        for t in program().transitions(shared, local, set())
        if name.endswith(t.label.kind.value) and t.label.point == number
    ]


@pytest.mark.parametrize(("name", "before", "after"), FACTS, ids=str)
def test_a_transition_on_plain_values(name: str, before: State, after: State) -> None:
    (found,) = outcomes(name, before)
    assert {field: found[field] for field in after} == after


@pytest.mark.parametrize(("name", "before"), IMPOSSIBLE, ids=str)
def test_a_transition_that_is_not_possible_on_plain_values(name: str, before: State) -> None:
    assert not outcomes(name, before)


# ------------------------------------------------------------------ which transitions there are


def test_a_process_dies_at_every_location_but_where_its_operation_begins() -> None:
    """One that has taken no step has touched nothing."""
    names = {t.name for n in (relation().program.first["rename"], relation().names.index("rename 2 write_name"))
             for t in relation().outcomes(n, relation().view(relation().me))}  # fmt: skip
    assert names == {
        "rename 1 take_lock takes",
        "rename 2 write_name takes",
        "rename 2 write_name is refused",
        "rename 2 write_name fails",
        "rename 2 write_name dies",
    }


def test_where_a_transition_leads() -> None:
    def leads(name: str) -> str:
        return relation().names[transition(name).goes_to]

    assert leads("attach 5 enter_xenstore takes") == "attach 6 drop_lock"
    assert leads("attach 5 enter_xenstore fails") == "attach clean-up drop_lock"
    assert leads("attach 5 enter_xenstore is refused") == "attach clean-up drop_lock"
    assert leads("attach 5 enter_xenstore dies") == "idle"
    assert leads("attach clean-up drop_lock takes") == "idle"
    assert leads("attach clean-up drop_lock is refused") == "idle"


def test_who_has_ended_or_died_holds_nothing() -> None:
    for name in ("attach 5 enter_xenstore dies", "attach 6 drop_lock dies", "attach clean-up drop_lock takes"):
        t = transition(name)
        assert solver_before(t, {}).check(t.after.local.values["holds"]) == z3.unsat


def test_a_drive_that_is_empty_is_present() -> None:
    """Insert is refused unless the drive is there and empty; eject unless it is there."""
    for name, value, possible in (
        ("insert 3 refuse_unless_empty takes", EMPTY, True),
        ("insert 3 refuse_unless_empty takes", ABSENT, False),
        ("insert 3 refuse_unless_empty takes", C, False),
        ("eject 3 unload_medium takes", EMPTY, True),
        ("eject 3 unload_medium takes", ABSENT, False),
        ("eject 3 unload_medium takes", C, True),
    ):
        assert (solver_before(transition(name), {"xenstore": (value, D)}).check() == z3.sat) is possible, (name, value)
