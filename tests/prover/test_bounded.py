"""Bounded model checking and k-induction: they agree with the search, step for step, and say what they show."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import z3

from confsync.model.engine.check import check
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.trace import Trace, Whole, initial, read_token, replay, step
from confsync.model.engine.verdict import Verdict
from confsync.model.engine.violation import violates
from confsync.model.language import Bool, LanguageError, either, implies, neg
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP, Bounds
from confsync.proofs.prover.bounded.bounded import Unroll, k_induction, on_one_state, says, shortest
from confsync.proofs.prover.bounded.finite import FiniteCells, FiniteTerm, lift
from confsync.proofs.prover.bounded.unrolled import Unrolled
from confsync.proofs.prover.carrier.relation import Relation, Transition, View
from confsync.proofs.prover.carrier.terms import formula
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Owned
from confsync.proofs.prover.invariant.vocabulary import Ask, stated

pytestmark = pytest.mark.slow

LOCKED = DESIGNS["xenstore_first_locked"]
TWO = Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=1)
ONE = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=1)


def length(design: str, name: str, bounds: Bounds) -> int | None:
    """The length of a shortest trace by the search; None if the property holds."""
    cell = check(DESIGNS[design], bounds, [name]).cells[0]
    return cell.depth if cell.verdict is Verdict.REFUTED else None


def deep(*what: object) -> object:
    return pytest.param(*what, marks=pytest.mark.deep)


# ------------------------------------------------------------------ the shortest trace


@pytest.mark.parametrize(
    ("design", "name", "bounds", "steps"),
    [
        ("json_first", "xenstore_has_template", TWO, 3),
        ("xenstore_first_locked", "template_has_xenstore", TWO, 3),
        ("xenstore_first_unlocked", "template_has_xenstore", TWO, 2),
        ("xenstore_first_unlocked", "xenstore_has_template", TWO, 7),
        deep("xenstore_first_unlocked", "userdata_dies_with_domain", ONE, None),
        ("as_posted", "template_is_faithful", TWO, 7),
        deep("as_posted", "resources_have_template", ONE, 8),
        deep("xenstore_first_unchecked", "template_is_faithful", TWO, 8),
        ("xenstore_first_unchecked", "medium_agrees", ONE, None),
        deep("xenstore_first_locked_direct_swap_template_first", "medium_agrees", TWO, 9),
        deep("as_posted", "retrieve_never_degraded", ONE, 15),
        deep("xenstore_first_unlocked", "retrieve_never_degraded", TWO, 11),
    ],
)
def test_the_shortest_trace_is_as_long_as_the_search_says(
    design: str, name: str, bounds: Bounds, steps: int | None
) -> None:
    assert length(design, name, bounds) == steps
    sought = shortest(DESIGNS[design], bounds, name, steps or 9)
    if steps is None:
        assert (sought.verdict, sought.depth, sought.trace) == (Verdict.BOUNDED, 9, None)
        assert "not violated within 9 steps" in sought.words
        return
    assert (sought.verdict, sought.depth) == (Verdict.REFUTED, steps)
    assert sought.trace
    assert f"after {steps} steps" in sought.words
    again = replay(Program(DESIGNS[design], bounds), read_token(sought.trace.token(name), Bounds))
    assert again.moves == sought.trace.moves
    assert violates(again, name)
    assert not any(violates(Trace(again.program, again.moves[:n]), name) for n in range(steps))


@pytest.mark.parametrize("name", ["lock_is_exclusive", "retrieve_never_degraded", "xenstore_has_template"])
def test_what_holds_is_not_refuted(name: str) -> None:
    """Nor is it said to hold: only up to which length it was looked at."""
    assert length(LOCKED.name, name, TWO) is None
    sought = shortest(LOCKED, TWO, name, 5)
    assert (sought.verdict, sought.depth, sought.stopped) == (Verdict.BOUNDED, 5, "")


@pytest.mark.parametrize("bounds", [replace(TWO, ejectable=0, configs=1), deep(TWO)], ids=["a device", "a drive too"])
def test_every_property_on_one_state_agrees_with_the_search(bounds: Bounds) -> None:
    name = "xenstore_first_unlocked"
    cells = {c.property_name: c for c in check(DESIGNS[name], bounds, on_one_state(LIBXL)).cells}
    for each in on_one_state(LIBXL):
        cell, sought = cells[each], shortest(DESIGNS[name], bounds, each, 7)
        if cell.verdict is Verdict.REFUTED and cell.depth <= 7:
            assert (sought.verdict, sought.depth) == (Verdict.REFUTED, cell.depth), each
        else:
            assert sought.verdict is Verdict.BOUNDED, each


def test_a_solver_without_time_decides_nothing() -> None:
    sought = shortest(LOCKED, Bounds(), "template_is_faithful", 14, rlimit=1_000)
    assert (sought.verdict, sought.trace) == (Verdict.UNKNOWN, None)
    assert sought.depth < 14
    assert "gave up" in sought.words
    tried = k_induction(LOCKED, Bounds(), "template_is_faithful", 4, rlimit=1_000)
    assert (tried.verdict, tried.cti) == (Verdict.UNKNOWN, ())
    assert "gave up" in tried.words


def test_what_is_not_decided_on_one_state_is_refused() -> None:
    for name in PROPERTIES.keys() - set(on_one_state(LIBXL)):
        with pytest.raises(LanguageError, match="not decided on one state"):
            shortest(LOCKED, ONE, name, 1)
    with pytest.raises(LanguageError, match="none within these bounds"):
        shortest(LOCKED, Bounds(slots=0, ejectable=0), "lock_is_exclusive", 1)


# ------------------------------------------------------------------ the same steps


def walks(program: Program, count: int, seed: int) -> Iterator[Whole]:
    """States on random walks of the program."""
    chance = random.Random(seed)
    state = initial(program)
    for _ in range(count):
        yield state
        if chance.random() < 0.02:
            state = initial(program)
        process = chance.choice([p for p, w in enumerate(state.local) if w != IDLE] or [0])
        if chance.random() < 0.3:
            process = chance.randrange(program.bounds.processes)
        found = list(program.transitions(state.shared, state.local[process], set()))
        taken = [t for t in found if t.label.kind is Kind.STEP]
        if found:
            # most of the time nothing goes wrong: or nothing would come far
            state = step(state, process, 0, chance.choice(taken if taken and chance.random() < 0.8 else found)).after


def successors(program: Program, state: Whole) -> set[Whole]:
    """What the program says can come next, if of the idle processes only the first one starts."""
    idle = [p for p, word in enumerate(state.local) if word == IDLE]
    return {
        step(state, p, 0, t).after
        for p in range(program.bounds.processes)
        if p not in idle[1:]
        for t in program.transitions(state.shared, state.local[p], set())
    }


@pytest.mark.parametrize("bounds", [ONE, deep(Bounds(1, 1, 2, 2, 2, 2, 1))], ids=["small", "default"])
@pytest.mark.parametrize("name", ["xenstore_first_locked", "xenstore_first"])
def test_an_unrolled_step_is_a_step_of_the_program_and_no_other(name: str, bounds: Bounds) -> None:
    unrolled = Unrolled(DESIGNS[name], bounds)
    now, chosen, then = unrolled.state(0), unrolled.choice(0), unrolled.state(1)
    solver = z3.SolverFor("QF_BV")
    solver.add(unrolled.leads(now, chosen, then))
    states = list(dict.fromkeys(walks(unrolled.program, 30, seed=1)))
    assert len(states) > 15
    for state in states:
        solver.push()
        solver.add(unrolled.is_(now, state), unrolled.possible(now))
        found = set()
        while solver.check() == z3.sat:
            model = solver.model()
            after = unrolled.whole(model, then)
            assert unrolled.move(model, now, chosen, then).after == after
            assert after not in found
            found.add(after)
            solver.add(z3.Not(unrolled.is_(then, after)))
        solver.pop()
        assert found == successors(unrolled.program, state)


# ------------------------------------------------------------------ mutants


class NeverRefuses(FiniteCells):
    """A carrier that drops the guards by which operations give up."""

    def fail_if(self, condition: Bool) -> None: ...


class NeverWaits(FiniteCells):
    """A carrier that drops the guards that wait."""

    def wait_until(self, condition: Bool) -> None: ...


class _Other(Relation):
    kind: Kind

    def outcomes(self, n: int, before: View) -> Iterator[Transition]:
        return (t for t in super().outcomes(n, before) if t.label.kind is not self.kind)


class Immortal(_Other):
    """A relation in which nobody dies."""

    kind = Kind.CRASH


class NeverFails(_Other):
    """A relation in which the outside refuses nothing."""

    kind = Kind.FAILS


@pytest.mark.parametrize(
    ("unroll", "design", "name", "bounds"),
    [
        (partial(Unrolled, cells=NeverRefuses), "xenstore_first_locked", "userdata_dies_with_domain", ONE),
        (partial(Unrolled, cells=NeverWaits), "xenstore_first_locked", "lock_is_exclusive", TWO),
        (partial(Unrolled, relation=Immortal), "as_posted", "template_is_faithful", TWO),
        (partial(Unrolled, relation=NeverFails), "as_posted", "retrieve_never_degraded", ONE),
    ],
)
def test_a_mutant_is_noticed(unroll: Unroll, design: str, name: str, bounds: Bounds) -> None:
    """Its shortest trace is none of the program's, or has another length."""
    expected = length(design, name, bounds)
    found: int | str | None
    try:
        sought = shortest(DESIGNS[design], bounds, name, expected or 8, unroll=unroll)
        found = sought.depth if sought.trace else None
    except AssertionError as wrong:
        found = str(wrong)
    assert found != expected
    assert not isinstance(found, str) or found.endswith("the unrolling has a step that the program has not")


@pytest.mark.quick
def test_a_value_that_is_none_is_refused() -> None:
    term = FiniteTerm(z3.BitVec("config", 2))
    with pytest.raises(LanguageError, match="7 is none of the 4 values"):
        _ = term == 7
    with pytest.raises(LanguageError, match="is needed here"):
        _ = term == True  # noqa: E712
    flag = FiniteTerm(z3.Bool("flag"))
    solver = z3.Solver()
    assert solver.check(formula(either(flag, EMPTY, ABSENT) == FiniteTerm(z3.BitVecVal(MADE_UP, 2)))) == z3.unsat
    assert str(z3.simplify(lift(either(flag, term, ABSENT), term.z.sort()))) == "If(flag, config, 0)"


# ------------------------------------------------------------------ k-induction


def always(words: str, ask: Ask) -> Clause:
    """The lemma that something is so of every process in every state."""
    return Clause(None, ((stated(LIBXL, words, ask), True),))


HELD = (
    always("who holds the lock has locked it", lambda s, me, _k: implies(me.holds, s.locked)),
    always("and the second lock", lambda s, me, _k: implies(me.holds_device_lock, s.device_locked)),
)


def test_induction_over_more_steps_proves_what_one_step_does_not() -> None:
    """Where there is one process it was, some steps ago, where it read what it now writes."""
    name = "xenstore_has_template"
    one = k_induction(LOCKED, ONE, name, 1)
    assert (one.verdict, len(one.cti)) == (Verdict.UNKNOWN, 1)
    assert "counterexample to induction" in one.words
    more = k_induction(LOCKED, ONE, name, 5)
    assert (more.verdict, more.k, more.cti) == (Verdict.EXHAUSTED, 3, ())
    assert str(ONE) in more.words
    assert "for no other bounds" in more.words
    assert length(LOCKED.name, name, ONE) is None
    assert k_induction(LOCKED, ONE, name, 5, distinct=False) == more


def test_a_counterexample_to_induction_is_a_run_into_a_violation() -> None:
    program, name = Program(LOCKED, TWO), "lock_is_exclusive"
    tried = k_induction(LOCKED, TWO, name, 3)
    assert (tried.verdict, len(tried.cti)) == (Verdict.UNKNOWN, 3)
    assert all(a.after == b.before for a, b in pairwise(tried.cti))
    assert len({m.before for m in tried.cti} | {tried.cti[-1].after}) == 4
    wrong = [violates(Trace(program, tried.cti[: n + 1]), name) for n in range(3)]
    assert wrong == [False, False, True]


def test_a_lemma_can_be_what_is_missing() -> None:
    """Without it a process that holds a lock that is free is where it was, however many steps others take."""
    proved = k_induction(LOCKED, TWO, "lock_is_exclusive", 3, HELD)
    assert (proved.verdict, proved.k, proved.assumed) == (Verdict.EXHAUSTED, 1, HELD)
    assert "if 2 lemmas hold, which is not shown here" in proved.words


def test_lemmas_about_locks_are_what_they_say() -> None:
    lock = "locked"
    unrolled = Unrolled(LOCKED, TWO)
    now, then = unrolled.state(0), unrolled.state(1)
    held = [local.values[HOLDERS[lock]] for local in now.local]
    exclusive, owned = (says(unrolled, now, lemma) for lemma in (Exclusive(lock), Owned(lock)))
    solver = z3.SolverFor("QF_BV")
    solver.add(unrolled.possible(now), unrolled.leads(now, unrolled.choice(0), then))
    broken = z3.Not(says(unrolled, then, Exclusive(lock)))
    assert solver.check(exclusive, broken) == z3.sat
    assert solver.check(exclusive, broken, *(says(unrolled, now, lemma) for lemma in HELD)) == z3.unsat
    assert solver.check(exclusive, *held) == z3.unsat
    assert solver.check(owned, now.shared.values[lock], *map(z3.Not, held)) == z3.unsat
    assert solver.check(owned, now.shared.values[lock], z3.Not(held[0])) == z3.sat


def test_a_lemma_that_does_not_hold_is_met() -> None:
    alive = always("there is a domain", lambda s, _me, _k: s.alive)
    with pytest.raises(ValueError, match="does not hold after 0 steps"):
        k_induction(LOCKED, ONE, "xenstore_has_template", 1, [alive])
    nobody = always("nobody has the lock", lambda s, _me, _k: neg(s.locked))
    with pytest.raises(ValueError, match="does not hold after 1 steps"):
        k_induction(LOCKED, TWO, "template_has_xenstore", 3, [nobody])


def test_induction_refutes_by_a_shortest_trace() -> None:
    tried = k_induction(DESIGNS["json_first"], ONE, "xenstore_has_template", 6)
    assert (tried.verdict, tried.k) == (Verdict.REFUTED, 4)
    assert tried.trace
    assert len(tried.trace.moves) == length("json_first", "xenstore_has_template", ONE) == 3
    assert "violated after 3 steps" in tried.words


@pytest.mark.parametrize("design", ["xenstore_first_locked", deep("json_first")])
def test_what_induction_decides_the_search_decides_so(design: str) -> None:
    cells = {c.property_name: c for c in check(DESIGNS[design], ONE, on_one_state(LIBXL)).cells}
    verdicts = {name: k_induction(DESIGNS[design], ONE, name, 4).verdict for name in on_one_state(LIBXL)}
    assert set(verdicts.values()) == {Verdict.EXHAUSTED, Verdict.REFUTED, Verdict.UNKNOWN}
    for name, verdict in verdicts.items():
        assert verdict in (Verdict.UNKNOWN, cells[name].verdict), name
