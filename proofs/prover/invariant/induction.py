"""Induction: what one transition does to the lemmas, asked of the solver.

The state before is any that satisfies the lemmas. The process `me` takes the step; a lemma is shown of the state
after for any element `k`, for `me` itself and for any other process `p`. Lemmas are used at the terms that occur, so
every question is free of quantifiers, and a counterexample to induction is always a finite state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import z3

from confsync.model.engine.program import IDLE
from confsync.model.language import BOOL, Sort, ValueSort
from confsync.proofs.prover.carrier.relation import Relation, Transition
from confsync.proofs.prover.carrier.terms import PROCESS, axioms, constants, implication, negation
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma, Owned, Reading

Named = tuple[str, Any]
"""A formula and what it is called in reports and cores."""
ASKED = "what it is asked with"
"""What a step's premise about the arguments of an operation that begins is called."""


@dataclass(frozen=True, slots=True)
class Use:
    """Where lemmas are used: of a process, at an element. `points`: which of the lemmas about points; None for all."""

    process: Any
    k: Any
    points: frozenset[int] | None = None


class Induction:
    """The terms that every question of a relation is about, and what lemmas say of them before any transition."""

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        self.me, self.p, self.k = relation.me, z3.Const("p", PROCESS), z3.Const("k", relation.index)
        self.owner = {lock: z3.Const(f"owner of {lock}", PROCESS) for lock in relation.protocol.holders}
        """A ghost for each lock: who took it last."""
        self.axioms: list[Named] = [
            (f"axiom {i + 1}", a) for i, a in enumerate([*axioms(relation.protocol), *relation.naturals])
        ]
        self._said: dict[tuple[Lemma, int, int], Any] = {}
        self._readings: dict[tuple[int, int], Reading] = {}

    def at(self, process: Any, point: int) -> Any:
        """The process is at the point."""
        return self.relation.at(process) == point

    def at_work(self, process: Any) -> Any:
        """The process is at some point of an operation."""
        at = self.relation.at(process)
        return z3.And(at > IDLE, at < len(self.relation.program.points))

    def holds(self, process: Any, lock: str) -> Any:
        """The process holds the lock."""
        return self.relation.view(process).local.values[self.relation.protocol.holders[lock]]

    def reading(self, process: Any, k: Any) -> Reading:
        """The answers to atoms, of a process and an element."""
        key = process.get_id(), k.get_id()
        if key not in self._readings:
            self._readings[key] = Reading(self.relation.view(process), k)
        return self._readings[key]

    def says(self, lemma: Lemma, process: Any, k: Any) -> Any:
        """What a lemma says of a process and an element; of two processes, of `me` and `p`."""
        key = lemma, process.get_id(), k.get_id()
        if key not in self._said:
            self._said[key] = self._say(lemma, process, k)
        return self._said[key]

    def _say(self, lemma: Lemma, process: Any, k: Any) -> Any:
        if isinstance(lemma, Exclusive):
            both = z3.And(self.holds(self.me, lemma.lock), self.holds(self.p, lemma.lock))
            return implication(both, self.me == self.p)
        if isinstance(lemma, Owned):
            return implication(self.relation.shared.values[lemma.lock], self.holds(self.owner[lemma.lock], lemma.lock))
        clause = self.reading(process, k).clause(lemma.literals)
        return clause if lemma.point is None else implication(self.at(process, lemma.point), clause)

    def uses(self, lemma: Lemma, uses: Iterable[Use]) -> list[tuple[Any, Any]]:
        """The (process, element) of these uses that the lemma has a say in."""
        if not isinstance(lemma, Clause):
            return [(self.me, self.k)]
        found = []
        for i, use in enumerate(uses):
            again = lemma.point is None and not lemma.local and i and use.k is self.k
            if not again and (lemma.point is None or use.points is None or lemma.point in use.points):
                found.append((use.process, use.k))
        return found

    def initially(self, process: Any) -> list[Named]:
        """The initial state: every shared field has its first value, the process is idle and holds nothing."""
        found: list[Named] = [("idle", self.at(process, IDLE))]
        found += [
            (f"not {held}", negation(self.holds(process, lock)))
            for lock, held in self.relation.protocol.holders.items()
        ]
        for name, field in self.relation.protocol.shared_fields.items():
            value = self.relation.shared.values[name]
            here = value(self.k) if field.over else value
            found.append((name, negation(here) if field.sort == BOOL else here == first(field.sort)))
        return found


def first(sort: Sort) -> Any:
    """The first value of a sort, as a term."""
    if sort == BOOL:
        return z3.BoolVal(False)
    return constants(sort)[0] if isinstance(sort, ValueSort) else z3.IntVal(0)


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
        self.name = transition.name
        self.here = IDLE if transition.starts else transition.label.point
        self.writes_shared, self.writes_local = transition.writes_shared, transition.writes_local
        self._goals: dict[tuple[Lemma, bool], Goal] = {}

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Lemmas are used of `me`, who is where the step is, and of another process if that could see what it does."""
        ind = self.induction
        mine = Use(ind.me, ind.k, frozenset({self.here}))
        return (
            (mine, Use(ind.p, ind.k))
            if self.writes_shared or self.writes_local & set(ind.relation.protocol.held)
            else (mine,)
        )

    @cached_property
    def given(self) -> list[Named]:
        """What is so before the transition, by name: the axioms, where the process is, what an operation that begins
        is asked with, and the guards."""
        ind, t = self.induction, self.transition
        found = [*ind.axioms, ("another process", ind.p != ind.me), ("where the process is", ind.at(ind.me, self.here))]
        if t.starts:
            mine = ind.reading(ind.me, ind.k)
            found.append((ASKED, ind.relation.asked(t.label.point, mine.view, mine.k)))
        return [*found, *t.guards]

    @cached_property
    def mine(self) -> Reading:
        return Reading(self.transition.after, self.induction.k)

    @cached_property
    def others(self) -> Reading:
        ind = self.induction
        return Reading(replace(self.transition.after, local=ind.reading(ind.p, ind.k).view.local), ind.k)

    def arrives(self, lemma: Lemma) -> bool:
        """It has to be shown of `me`: it is about where the transition leads, or about anywhere and what it writes."""
        if isinstance(lemma, Clause):
            if lemma.point is not None:
                return lemma.point == self.transition.goes_to
            return bool(lemma.shared & self.writes_shared or lemma.local & self.writes_local)
        lock = self.induction.relation.protocol.holders[lemma.lock]
        return lock in self.writes_local or (isinstance(lemma, Owned) and lemma.lock in self.writes_shared)

    def disturbs(self, lemma: Lemma) -> bool:
        """It has to be shown of other processes: the transition writes what it speaks of."""
        if not isinstance(lemma, Clause) or not (lemma.point is not None or lemma.local):
            return False
        return bool(lemma.shared & self.writes_shared)

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
        holders = ind.relation.protocol.holders
        if isinstance(lemma, Exclusive):
            return z3.And(after.local.values[holders[lemma.lock]], ind.holds(ind.p, lemma.lock))
        if isinstance(lemma, Owned):
            held, owner = after.local.values[holders[lemma.lock]], ind.owner[lemma.lock]
            took = z3.And(held, negation(ind.holds(ind.me, lemma.lock)))
            still = z3.If(owner == ind.me, held, ind.holds(owner, lemma.lock))
            return z3.And(after.shared.values[lemma.lock], negation(z3.Or(took, still)))
        if not other:
            return negation(self.mine.clause(lemma.literals))
        wrong = negation(self.others.clause(lemma.literals))
        return wrong if lemma.point is None else z3.And(ind.at(ind.p, lemma.point), wrong)


@dataclass(frozen=True)
class Claim:
    """What else has to follow from the lemmas for a property to hold: `fails` is impossible where `given` is so. The
    lemmas are used as `uses` says."""

    name: str
    given: tuple[Named, ...]
    fails: Any
    uses: tuple[Use, ...]
