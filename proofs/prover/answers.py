"""What the observer answers, held against what there is to observe: the properties that are not of the stores alone."""

from __future__ import annotations

from typing import Any

import z3

from confsync.model.engine.program import Kind
from confsync.model.language import AloneInvariant, AnswerInvariant, FixedPoint, Observer, neg
from confsync.proofs.prover.alone import nothing, quiescent, run
from confsync.proofs.prover.carrier.relation import View
from confsync.proofs.prover.carrier.terms import Z3Cells, Z3Term, formula, negation
from confsync.proofs.prover.invariant.induction import Claim, Induction, Step
from confsync.proofs.prover.invariant.lemma import Clause
from confsync.proofs.prover.invariant.vocabulary import stated


def _observer(ind: Induction) -> Observer:
    observer = ind.relation.protocol.observer
    assert observer, "the property is about what an observer answers, and the protocol has none"
    return observer


def _differs(ind: Induction, answer: Z3Cells, truth: Z3Cells) -> Any:
    """An answer is not what there is, in some part; of a map, at any element."""
    fields, parts = ind.relation.protocol.local_fields, []
    for name, about in _observer(ind).answer.items():
        said, is_so = answer.values[name], truth.values[about]
        parts.append(said(ind.k) != is_so(ind.k) if fields[name].over else said != is_so)
    return z3.Or(*parts)


def usable(ind: Induction, p: AnswerInvariant) -> tuple[Clause, ...]:
    """Of `AnswerInvariant`: a lemma at each point where the observer is about to answer."""
    relation = ind.relation
    said = stated(relation.protocol, f"the answer is as {p.name} says", lambda _s, me, k: p.holds(me, k))
    points = [n for n in range(1, len(relation.program.points)) if relation.program.answers(n)]
    return tuple(Clause(n, ((said, True),)) for n in points)


def exact(ind: Induction) -> tuple[Claim, ...]:
    """Of `Linearizable`: when its last part is read the answer is what there is, and no later step changes it. That
    moment is the linearization point."""
    point = ind.relation.program.last_read()
    transition = next(t for t in ind.relation.transitions if t.label.point == point and t.label.kind is Kind.STEP)
    step, after = Step(ind, transition), transition.after
    wrong = z3.Or(negation(after.shared.values[_observer(ind).exists]), _differs(ind, after.local, after.shared))
    return (Claim(f"the result is exact at {ind.relation.names[point]}", tuple(step.given), wrong, step.uses),)


def alone(ind: Induction, p: AloneInvariant) -> tuple[Claim, ...]:
    """Of `AloneInvariant`: where no operation is at work, an observer that succeeds answers as the property says."""
    given, uses = quiescent(ind)
    relation, observer = ind.relation, _observer(ind)
    now = relation.shared
    ran = run(relation, observer.operation, now, {})
    assert ran.answer
    view = View(relation.protocol, now, ran.answer)
    wrong = formula(neg(p.holds(view.s, view.me, Z3Term(ind.k))))
    returns = (f"a {observer.operation} succeeds", z3.And(now.values[observer.exists], *ran.passes))
    return (Claim(f"a {observer.operation} alone: {p.name}", (*given, returns), wrong, uses),)


def fixed_point(ind: Induction, p: FixedPoint) -> tuple[Claim, ...]:
    """Of `FixedPoint`: where no operation is at work and the observer succeeds, what is made from its answer is made,
    is the same, and is observed the same."""
    given, uses = quiescent(ind)
    relation, observer = ind.relation, _observer(ind)
    now = relation.shared
    first = run(relation, observer.operation, now, {})
    assert first.answer
    answer = {name: first.answer.values[name] for name in observer.answer}
    created = run(relation, observer.recreates, nothing(relation), answer)
    again = run(relation, observer.operation, created.shared, {})
    assert again.answer
    fields = relation.protocol.local_fields

    def unlike(one: Any, other: Any, name: str) -> Any:
        return one(ind.k) != other(ind.k) if fields[name].over else one != other

    made_from = View(relation.protocol, now, first.answer)
    wrong = z3.Or(
        formula(neg(p.usable(made_from.me, Z3Term(ind.k)))),
        negation(z3.And(*created.passes, *again.passes, created.shared.values[observer.exists])),
        *(unlike(created.shared.values[about], now.values[about], name) for name, about in observer.answer.items()),
        *(unlike(again.answer.values[name], first.answer.values[name], name) for name in observer.answer),
    )
    returns = (f"a {observer.operation} succeeds", z3.And(now.values[observer.exists], *first.passes))
    claim = f"what is made from the answer of a {observer.operation} is the same"
    return (Claim(claim, (*given, returns), wrong, uses),)
