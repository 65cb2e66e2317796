"""Lemmas: what a proof may assume of every state that is reached, and must show of every state after a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import z3

from confsync.model.engine.program import IDLE
from confsync.proofs.prover.carrier.relation import Relation, View
from confsync.proofs.prover.carrier.terms import Z3Term, any_of, formula
from confsync.proofs.prover.invariant.vocabulary import Atom

Literal = tuple[Atom, bool]
"""An atom, and which answer."""


@dataclass(frozen=True)
class Clause:
    """For every process and every element `k`: one of the literals holds, where the process is at a point (None:
    wherever it is). Without literals: no process is ever there."""

    point: int | None
    literals: tuple[Literal, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.point, self.literals))

    @cached_property
    def shared(self) -> frozenset[str]:
        """The shared fields it speaks of."""
        return frozenset().union(*(atom.shared for atom, _ in self.literals))

    @cached_property
    def local(self) -> frozenset[str]:
        """The locals it speaks of."""
        return frozenset().union(*(atom.local for atom, _ in self.literals))


@dataclass(frozen=True, slots=True)
class Exclusive:
    """No two processes hold the lock. `lock` is the shared flag that says it is taken."""

    lock: str


@dataclass(frozen=True, slots=True)
class Owned:
    """A lock that is held is held by a process: its owner, a ghost that is whoever took it last."""

    lock: str


Lemma = Clause | Exclusive | Owned


class Reading:
    """The answers to atoms in one state, for one process and one element, each worked out once."""

    def __init__(self, view: View, k: Any) -> None:
        self.view, self.k = view, Z3Term(k)
        self._literals: dict[Literal, Any] = {}
        self._clauses: dict[tuple[Literal, ...], Any] = {}

    def literal(self, literal: Literal) -> Any:
        """The formula of a literal."""
        if literal not in self._literals:
            atom, _ = literal
            answer = formula(atom.ask(self.view.s, self.view.me, self.k))
            self._literals[atom, True], self._literals[atom, False] = answer, z3.Not(answer)
        return self._literals[literal]

    def clause(self, literals: tuple[Literal, ...]) -> Any:
        """The formula of a disjunction."""
        if literals not in self._clauses:
            self._clauses[literals] = any_of([self.literal(each) for each in literals])
        return self._clauses[literals]


class Names:
    """How lemmas are called in reports: by where they hold and what they say."""

    def __init__(self, relation: Relation) -> None:
        self.relation = relation

    def __call__(self, lemma: Lemma) -> str:
        where = self.where(lemma)
        return f"{where}: {self.says(lemma)}" if where else self.says(lemma)

    def says(self, lemma: Lemma) -> str:
        """What it says."""
        if isinstance(lemma, Exclusive):
            return f"at most one process holds `{lemma.lock}`"
        if isinstance(lemma, Owned):
            return f"where `{lemma.lock}` is set, a process holds it"
        return " or ".join(atom.says(yes) for atom, yes in lemma.literals) or "no process comes here"

    def where(self, lemma: Lemma) -> str:
        """Of which processes it says so: of those at a location, or "": of all."""
        if not isinstance(lemma, Clause) or lemma.point is None:
            return ""
        return "when idle" if lemma.point == IDLE else f"at {self.relation.names[lemma.point]}"
