"""Induction: what one transition does to the lemmas, asked of the solver.

The state before is any that satisfies the lemmas. The process `me` takes the step; a lemma is shown of the state
after for any slot `k`, for `me` itself and for any other process `p`. Lemmas are used at the terms that occur, so
every question is free of quantifiers, and a counterexample to induction is always a finite state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import z3

from model.program import IDLE
from model.state import LOCKS
from proofs.lemma import Clause, Exclusive, Lemma, Owned, Reading
from proofs.relation import Relation, Transition, View
from proofs.terms import AXIOMS, PROCESS, SLOT, implication, negation


class Induction:
    """The terms that every question of a relation is about, and what lemmas say of them before any transition."""

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        self.me, self.p, self.k = relation.me, z3.Const("p", PROCESS), z3.Const("k", SLOT)
        self.owner = {lock: z3.Const(f"owner of {lock}", PROCESS) for lock in LOCKS}
        """A ghost for each lock: who took it last."""
        self.mine = Reading(relation.view(self.me), self.k)
        self.others = Reading(relation.view(self.p), self.k)
        self.axioms = [*AXIOMS, *relation.naturals, self.p != self.me]
        self._of_me: dict[Lemma, Any] = {}
        self._of_p: dict[Lemma, Any] = {}

    def at(self, process: Any, point: int) -> Any:
        """The process is at the point."""
        return self.relation.at(process) == point

    def holds(self, process: Any, lock: str) -> Any:
        """The process holds the lock."""
        return self.relation.view(process).local.values[LOCKS[lock]]

    def of_me(self, lemma: Lemma) -> Any:
        """What a lemma says before a transition of `me`, who is at the lemma's point if it has one; and, of the
        lemmas about two processes, what it says of `me`, `p` and the owner."""
        if lemma not in self._of_me:
            self._of_me[lemma] = self._say_of_me(lemma)
        return self._of_me[lemma]

    def _say_of_me(self, lemma: Lemma) -> Any:
        if isinstance(lemma, Exclusive):
            return negation(z3.And(self.holds(self.me, lemma.lock), self.holds(self.p, lemma.lock)))
        if isinstance(lemma, Owned):
            return implication(self.relation.shared.values[lemma.lock], self.holds(self.owner[lemma.lock], lemma.lock))
        return self.mine.clause(lemma.literals)

    def of_p(self, lemma: Clause) -> Any:
        """What a lemma says of the other process."""
        if lemma not in self._of_p:
            said = self.others.clause(lemma.literals)
            self._of_p[lemma] = said if lemma.point is None else implication(self.at(self.p, lemma.point), said)
        return self._of_p[lemma]


@dataclass(frozen=True, slots=True)
class Goal:
    """A lemma to be shown after a transition: of `me`, or with `other` of another process."""

    lemma: Lemma
    other: bool
    fails: Any
    """That it does not hold."""


class Step:
    """One transition, and what lemmas say after it."""

    def __init__(self, induction: Induction, transition: Transition) -> None:
        self.induction, self.transition = induction, transition
        self.here = IDLE if transition.starts else transition.label.point
        self.writes_shared, self.writes_local = transition.writes_shared, transition.writes_local
        self._goals: dict[tuple[Lemma, bool], Goal] = {}

    @cached_property
    def given(self) -> list[tuple[str, Any]]:
        """What is so before the transition, by name: the axioms, where the process is, what an operation that begins
        is asked with, and the guards."""
        ind, t = self.induction, self.transition
        found = [(f"axiom {i}", axiom) for i, axiom in enumerate(ind.axioms)]
        found.append(("where the process is", ind.at(ind.me, self.here)))
        if t.starts:
            found.append(("what it is asked with", ind.relation.asked(t.label.point, ind.mine.view, ind.mine.k)))
        return [*found, *t.guards]

    @cached_property
    def mine(self) -> Reading:
        return Reading(self.transition.after, self.induction.k)

    @cached_property
    def others(self) -> Reading:
        return Reading(View(self.transition.after.shared, self.induction.others.view.local), self.induction.k)

    def arrives(self, lemma: Lemma) -> bool:
        """It has to be shown of `me`: it is about where the transition leads, or about anywhere and what it writes."""
        if isinstance(lemma, Clause):
            if lemma.point is not None:
                return lemma.point == self.transition.goes_to
            return bool(lemma.shared & self.writes_shared or lemma.local & self.writes_local)
        lock = LOCKS[lemma.lock]
        return lock in self.writes_local or (isinstance(lemma, Owned) and lemma.lock in self.writes_shared)

    def disturbs(self, lemma: Lemma) -> bool:
        """It has to be shown of other processes: the transition writes what it speaks of."""
        return isinstance(lemma, Clause) and lemma.point != IDLE and bool(lemma.shared & self.writes_shared)

    def unmoved_from(self, lemma: Lemma) -> Clause | None:
        """The lemma that said the same before, where nothing was written that it speaks of."""
        if not isinstance(lemma, Clause) or lemma.point is None:
            return None
        if lemma.shared & self.writes_shared or lemma.local & self.writes_local:
            return None
        return Clause(self.here, lemma.literals)

    def goal(self, lemma: Lemma, *, other: bool) -> Goal:
        """What is to be shown of a lemma."""
        key = lemma, other
        if key not in self._goals:
            self._goals[key] = Goal(lemma, other, self._fails(lemma, other=other))
        return self._goals[key]

    def _fails(self, lemma: Lemma, *, other: bool) -> Any:
        ind, after = self.induction, self.transition.after
        if isinstance(lemma, Exclusive):
            return z3.And(after.local.values[LOCKS[lemma.lock]], ind.holds(ind.p, lemma.lock))
        if isinstance(lemma, Owned):
            held, owner = after.local.values[LOCKS[lemma.lock]], ind.owner[lemma.lock]
            took = z3.And(held, negation(ind.holds(ind.me, lemma.lock)))
            still = z3.If(owner == ind.me, held, ind.holds(owner, lemma.lock))
            return z3.And(after.shared.values[lemma.lock], negation(z3.Or(took, still)))
        if not other:
            return negation(self.mine.clause(lemma.literals))
        wrong = negation(self.others.clause(lemma.literals))
        return wrong if lemma.point is None else z3.And(ind.at(ind.p, lemma.point), wrong)
