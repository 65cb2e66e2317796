"""A solver's answers, and the work they take, depend on the question: not on what was asked before, nor on time."""

from __future__ import annotations

import z3

from confsync.proofs.prover.carrier.solver import GUARD, GUARD_FIRED, Solver


def pigeons(holes: int) -> list[z3.BoolRef]:
    """One more pigeon than there are holes, and no two in one."""
    birds = [[z3.Bool(f"pigeon {i} in {j}") for j in range(holes)] for i in range(holes + 1)]
    alone = [z3.Not(z3.And(a[j], b[j])) for j in range(holes) for i, a in enumerate(birds) for b in birds[i + 1 :]]
    return [*(z3.Or(*row) for row in birds), *alone]


def asked(holes: int) -> tuple[str, int]:
    solver = Solver()
    solver.add(*pigeons(holes))
    return str(solver.check()), solver.used()


def test_the_order_of_questions_changes_neither_answers_nor_work() -> None:
    forwards = [asked(n) for n in (2, 3, 4, 5)]
    junk = [z3.Int(f"something else {i}") * i for i in range(1000)]
    backwards = [asked(n) for n in (5, 4, 3, 2)]
    assert len(junk) == 1000
    assert forwards == backwards[::-1]
    assert {answer for answer, _ in forwards} == {"unsat"}


def test_the_limit_is_the_reason_where_it_is_reached() -> None:
    solver = Solver(5_000)
    solver.add(*pigeons(9))
    assert solver.check() == z3.unknown
    assert solver.reason() == "the limit of 5,000 resource units"


def test_the_guard_is_named_where_it_fires() -> None:
    """Z3 has the same word for both limits: the clock tells them apart."""
    clock = iter((0.0, float(GUARD)))
    solver = Solver(5_000, clock=lambda: next(clock))
    solver.add(*pigeons(9))
    assert solver.check() == z3.unknown
    assert solver.reason() == GUARD_FIRED


def test_a_core_and_a_model_are_of_the_main_context() -> None:
    a, b = z3.Bools("a b")
    solver = Solver()
    solver.add(z3.Not(a))
    assert [c.get_id() for c in (solver.core() if solver.check([a, b]) == z3.unsat else [])] == [a.get_id()]
    assert solver.check([b]) == z3.sat
    assert z3.is_true(solver.model().eval(b))
    assert solver.true_in(solver.own_model(), z3.And(b, z3.Not(a)))
