"""The language on Z3 terms: every step runs there unchanged, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import z3
from libxl_terms import AXIOMS, CONFIGS, CONSTANTS, SORTS

from confsync.model.engine.concrete import Layout, WordCells
from confsync.model.engine.program import Kind
from confsync.model.language import (
    LOCATION,
    WATCH,
    Bool,
    Invariant,
    LanguageError,
    all_of,
    any_of,
    either,
    implies,
    neg,
    one_more,
)
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import (
    ABSENT,
    AMOUNT,
    EMPTY,
    FIRST_CONFIG,
    MADE_UP,
    NAME,
    SLOT,
    Bounds,
    Local,
    Shared,
    Slot,
)
from confsync.model.libxl.steps import write_template
from confsync.proofs.prover.carrier.relation import Relation, View
from confsync.proofs.prover.carrier.terms import PROCESS, Z3Cells, Z3Term, formula

ME = z3.Const("me", PROCESS)
NAMED = list(CONFIGS.values())


def anything() -> View:
    """A state of which nothing is known."""
    return View(LIBXL, Z3Cells.any(Shared), Z3Cells.any(Local, (ME,)))


def counterexample(claim: Any, *premises: Any) -> Any:
    solver = z3.Solver()
    solver.add(*AXIOMS, *premises)
    assert solver.check() == z3.sat, "the premises contradict each other"
    solver.add(z3.Not(claim))
    verdict = solver.check()
    assert verdict != z3.unknown, solver.reason_unknown()
    return solver.model() if verdict == z3.sat else None


def valid(claim: Any, *premises: Any) -> bool:
    return counterexample(claim, *premises) is None


# ------------------------------------------------------------------ all of the model runs on terms


@pytest.mark.parametrize("name", [pytest.param(d, marks=() if d == RECOMMENDED else pytest.mark.slow) for d in DESIGNS])
def test_every_step_and_ghost_and_death_runs_on_terms(name: str) -> None:
    relation, k = Relation(DESIGNS[name]), z3.Const("k", SORTS[SLOT])
    points = relation.program.points
    kinds = {n: [t.label.kind for t in relation.transitions if t.label.point == n] for n in range(1, len(points))}
    for n, happens in kinds.items():
        touched = relation.program.footprints[points[n].step]
        assert happens[0] is Kind.STEP
        assert set(happens[1:]) == {
            *([Kind.REFUSED] if touched.refuses else []),
            *([Kind.FAILS] if points[n].step.may_fail else []),
            *([Kind.CRASH] if n not in relation.program.first.values() else []),
        }
    for t in relation.transitions:
        touched = relation.program.footprints[points[t.label.point].step]
        if t.label.kind is Kind.STEP:
            assert len(t.guards) == touched.guards
            assert touched.writes_shared <= t.writes_shared
            assert touched.writes_local <= t.writes_local
        assert all(z3.is_bool(g) for _, g in t.guards)
        for record, cells in ((Shared, t.after.shared), (Local, t.after.local)):
            for f, value in cells.values.items():
                field = record.fields()[f]
                assert (value(k) if field.over else value).sort() == SORTS[field.sort], f"{t.name}: {f}"


@pytest.mark.slow
@pytest.mark.parametrize("p", [p for p in PROPERTIES.values() if isinstance(p, Invariant)], ids=lambda p: p.name)
def test_every_property_over_the_stores_is_a_formula(p: Invariant) -> None:
    """It can hold and fail, its interesting case can be met and not."""
    s, k = anything().s, Z3Term(z3.Const("k", SORTS[SLOT]))
    for said in (p.holds(s, k), p.met(s, k)):
        assert counterexample(formula(said)) is not None
        assert counterexample(formula(neg(said))) is not None


def test_what_stands_for_a_number_is_one_thing_only() -> None:
    """The axioms are of named values alone, and they leave room for others."""
    solver = z3.Solver()
    solver.add(*AXIOMS)
    for sort, named in CONSTANTS.items():
        solver.add(*(z3.Const(f"another {sort}", sort) != each for each in named.values()))
    assert solver.check() == z3.sat


# ------------------------------------------------------------------ no branch on a term

BRANCHES: dict[str, Callable[[Shared, Local], object]] = {
    "if": lambda s, me: 1 if s.alive else 2,  # noqa: ARG005
    "not": lambda s, me: not s.alive,  # noqa: ARG005
    "and": lambda s, me: s.alive and me.holds,
    "or": lambda s, me: s.xenstore[me.slot].present or me.holds,
    "chained comparison": lambda s, me: ABSENT != s.template[me.slot] != EMPTY,
    "in": lambda s, me: s.template[me.slot] in (ABSENT, EMPTY),
    "all": lambda s, me: all([s.alive, me.holds]),
    "comprehension": lambda s, me: [m for m in (0,) if me.amount == m],  # noqa: ARG005
    "bool": lambda s, me: bool(me.slot.ejectable),  # noqa: ARG005
    "choice": lambda s, me: bool(either(s.alive, ABSENT, EMPTY)),  # noqa: ARG005
}


@pytest.mark.parametrize("branch", BRANCHES.values(), ids=BRANCHES)
def test_a_term_has_no_truth_value_and_says_what_to_write(branch: Callable[[Shared, Local], object]) -> None:
    state = anything()
    with pytest.raises(LanguageError) as error:
        branch(state.s, state.me)
    for word in ("must not branch on state", "`neg(", "`all_of(", "`any_of(", "`implies(", "`either("):
        assert word in str(error.value)


def test_what_to_write_instead_runs_on_terms() -> None:
    state = anything()
    s, me = state.s, state.me
    a, b = z3.Bool("alive"), z3.Function("holds", PROCESS, z3.BoolSort())(ME)
    for said, meant in (
        (neg(s.alive), z3.Not(a)),
        (all_of(s.alive, True, me.holds), z3.And(a, b)),
        (any_of(s.alive, me.holds), z3.Or(a, b)),
        (implies(s.alive, me.holds), z3.Implies(a, b)),
        (either(s.alive, me.holds, True), z3.If(a, b, True)),
        (either(s.alive, True, False), a),
        (one_more(s.crashes) == 1, z3.Int("crashes") == 0),
        (s.name == 0, z3.Const("name", SORTS[NAME]) == CONSTANTS[SORTS[NAME]][0]),
        (s.memory != 0, z3.Const("memory", SORTS[AMOUNT]) != CONSTANTS[SORTS[AMOUNT]][0]),
    ):
        assert valid(formula(said) == meant)


def test_a_choice_between_numbers_is_of_the_sort_that_it_is_used_as() -> None:
    """`either(condition, EMPTY, ABSENT)` is a configuration where one is asked for; other numbers are other things."""
    state = anything()
    s, me = state.s, state.me
    a, b = z3.Bool("alive"), z3.Bool("saved")
    config = state.local.values["config"]
    which = either(s.alive, EMPTY, ABSENT)
    nested = either(s.saved, which, MADE_UP)
    choice = z3.If(a, NAMED[1], NAMED[0])
    for said, meant in (
        (which == me.config, choice == config),
        (me.config == which, choice == config),
        (which != me.config, choice != config),
        (which == EMPTY, a),
        (which != EMPTY, z3.Not(a)),
        (which == MADE_UP, z3.BoolVal(False)),
        (which == either(s.saved, EMPTY, ABSENT), a == b),
        (nested == me.config, z3.If(b, choice, NAMED[2]) == config),
        (either(s.saved, me.config, which) == me.config, z3.Or(b, choice == config)),
    ):
        assert valid(formula(said) == meant)


NONSENSE: dict[str, tuple[Callable[[Any, Any], object], str]] = {
    "a configuration without a name": (
        lambda s, me: me.config == FIRST_CONFIG,  # noqa: ARG005
        "a proof is for any Config: the only ones a step can write down are 0, 1, 2",
    ),
    "a third name": (lambda s, me: s.name == 2, "a proof is for any Name: the only ones"),  # noqa: ARG005
    "a name for a configuration": (lambda s, me: me.config == s.name, "a Config is needed here, not the Name name"),
    "a number for a condition": (lambda s, me: any_of(s.alive, me.amount), "a Bool is needed here, not the Amount"),
    "a condition for a number": (lambda s, me: me.config == s.alive, "a Config is needed here, not the Bool alive"),
    "a yes for a configuration": (lambda s, me: me.config == True, "a Config is needed here, not True"),  # noqa: ARG005, E712
    "an entry for a configuration": (
        lambda s, me: me.config == s.xenstore[me.slot],
        "a Config is needed here, not <confsync.model.libxl.state.Entry",
    ),
    "a value for a condition": (lambda s, me: either(me.config, s.alive, True), "a Bool is needed here"),
    "a value for a slot": (lambda s, me: s.template[me.config], "a Slot is needed here, not the Config config(me)"),
    "a choice for a condition": (
        lambda s, me: all_of(either(s.alive, 1, 0), me.holds),  # type: ignore[arg-type]
        "a condition is needed, not 1 or 0",
    ),
    "not a choice": (
        lambda s, me: neg(either(s.alive, 1, 0)),  # type: ignore[arg-type]  # noqa: ARG005
        "a condition is needed, not 1 or 0",
    ),
    "a choice of a choice": (
        lambda s, me: either(either(s.alive, 1, 0), me.holds, True),  # type: ignore[arg-type]
        "a condition is needed, not 1 or 0",
    ),
    "a choice of a name": (lambda s, me: either(s.alive, s.name, me.config), "a Name is needed here, not the Config"),
    "a number too many to choose": (lambda s, me: s.name == either(s.alive, 7, 0), "a proof is for any Name"),  # noqa: ARG005
}


@pytest.mark.parametrize(("says", "message"), NONSENSE.values(), ids=NONSENSE)
def test_what_has_no_meaning_on_terms_is_refused(says: Callable[[Any, Any], object], message: str) -> None:
    state = anything()
    with pytest.raises(LanguageError) as error:
        says(state.s, state.me)
    assert message in str(error.value)


def test_a_step_that_writes_down_a_configuration_that_has_no_name_is_no_step_for_any_size() -> None:
    cells = Z3Cells.any(Shared)
    with pytest.raises(LanguageError, match="a proof is for any Config"):
        Shared(cells).template[Z3Term(z3.Const("k", SORTS[SLOT]))] = FIRST_CONFIG
    with pytest.raises(LanguageError, match="a Name is needed here, not the Amount"):
        Shared(cells).name = Shared(cells).memory


# ------------------------------------------------------------------ a proof, for any number of slots


@pytest.mark.slow
def test_induction_over_one_step_for_any_number_of_slots() -> None:
    """In attach, where the draft is what the template holds, writing the template keeps it that what is in xenstore
    is in the template. Were the draft older, it would not."""
    relation = Relation(DESIGNS[RECOMMENDED])
    t = next(t for t in relation.transitions if t.name == "attach 4 write_template takes")
    p = PROPERTIES["xenstore_has_template"]
    assert isinstance(p, Invariant)
    xenstore_has_template = p.holds
    k, before = Z3Term(z3.Const("k", SORTS[SLOT])), t.before

    config = before.local.values["config"]
    given = [*(g for _, g in t.guards), *(config != c for c in NAMED), formula(xenstore_has_template(before.s, k))]
    draft_is_template = formula(before.me.draft[k] == before.s.template[k])
    goal = formula(xenstore_has_template(t.after.s, k))

    assert valid(goal, *given, draft_is_template)
    found = counterexample(goal, *given)
    assert z3.is_true(found.eval(k.z != before.local.values["slot"])), "another slot than the one it writes"
    assert replay_breaks(found, before, k, xenstore_has_template)


def replay_breaks(found: Any, before: View, k: Z3Term, holds: Callable[[Shared, Slot], Bool]) -> bool:
    """The counterexample, on plain values: slot 0 is `k`, slot 1 the one the operation names."""
    bounds, (here, named) = Bounds(slots=2, ejectable=0, configs=1), Bounds(slots=2, ejectable=0).elements(SLOT)

    def plain(term: Any) -> int:
        value = found.eval(term, model_completion=True)
        return next((i for i, c in CONFIGS.items() if value.eq(found.eval(c))), FIRST_CONFIG)

    slots = (k.z, before.local.values["slot"])
    shared_layout, local_layout = Layout(Shared, bounds, {}), Layout(Local, bounds, {LOCATION: 1, WATCH: 1})
    shared = local = 0
    for name in ("template", "xenstore"):
        shared = shared_layout.put(shared, name, tuple(plain(before.shared.values[name](at)) for at in slots))
    local = local_layout.put(local, "draft", tuple(plain(before.local.values["draft"](at)) for at in slots))
    local = local_layout.put(local_layout.put(local, "slot", named), "config", plain(before.local.values["config"]))

    s, me = Shared(WordCells(shared_layout, shared, [])), Local(WordCells(local_layout, local, []))
    assert holds(s, here)
    write_template.run(s, me)
    return not holds(s, here)
