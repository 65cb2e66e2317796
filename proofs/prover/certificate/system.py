"""The transition system that a proof is about, as SMT-LIB text: what a certificate's reader makes the obligations from.

A state is a value for each symbol. A process is a term; its locals are functions of it. What a transition writes is an
update: the new value as a term over the state before, of the process `me` and, for a map, of any element `k`. An update
of a local is one of `me` alone; other processes keep theirs. Formulas are printed by Z3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import z3

from confsync.proofs.prover.carrier.terms import negation
from confsync.proofs.prover.certificate.smtlib import Printed
from confsync.proofs.prover.invariant.induction import ASKED, Claim, Induction, Step
from confsync.proofs.prover.invariant.lemma import Lemma


@dataclass(slots=True)
class System:
    """Prints the parts of a transition system. `symbols`: those that were printed."""

    induction: Induction
    printed: Printed = field(default_factory=Printed)
    symbols: set[str] = field(default_factory=set)

    def text(self, formula: Any) -> str:
        """A formula on one line. ValueError if it can't be said in SMT-LIB."""
        said, mentions = self.printed(formula)
        self.symbols |= mentions
        return " ".join(said.split())

    def texts(self, named: Iterable[tuple[str, Any]]) -> list[str]:
        """The formulas of named ones."""
        return [self.text(formula) for _, formula in named]

    def of_all(self) -> dict[str, list[str]]:
        """What the transitions share: the processes that are spoken of; what is so in every state; what is so in the
        initial state, of the process `me` and the element `k`; and the declarations of all that was printed so far."""
        ind = self.induction
        processes = self.texts(("", q) for q in (ind.me, ind.p, *ind.owner.values()))
        apart = ("another process", z3.Distinct(ind.p, ind.me))
        axioms, initial = self.texts([*ind.axioms, apart]), self.texts(ind.initially(ind.me))
        found = [self.printed.symbols[name] for name in sorted(self.symbols)]
        sorts = sorted(frozenset[str]().union(*(mentions for _, mentions in found)))
        declarations = [f"(declare-sort {sort} 0)" for sort in sorts] + [
            " ".join(declaration.split()) for declaration, _ in found
        ]
        return {"processes": processes, "declarations": declarations, "axioms": axioms, "initial": initial}

    def lemma(self, lemma: Lemma) -> str:
        """What a lemma says of the process `me` and the element `k`; of two processes, of `me` and `p`."""
        return self.text(self.induction.says(lemma, self.induction.me, self.induction.k))

    def asked(self, step: Step) -> str:
        """What an operation that begins with a transition is asked with; `true` of any other transition."""
        asked = (formula for name, formula in step.given if name == ASKED)
        return self.text(next(asked, z3.BoolVal(True)))

    def updates(self, step: Step) -> dict[str, str]:
        """What a transition writes, by the symbol; the locals of `me` are called `my` so. The owner of a lock is
        whoever took it last."""
        after, ind = step.transition.after, self.induction
        found = {}
        protocol = ind.relation.protocol
        for record, cells, whose in ((protocol.shared, after.shared, ""), (protocol.local, after.local, "my ")):
            for name in sorted(cells.written):
                value = cells.values[name]
                found[whose + name] = self.text(value(ind.k) if record.fields()[name].over else value)
        for lock, held in protocol.holders.items():
            if held in step.writes_local:
                took = z3.And(after.local.values[held], negation(ind.holds(ind.me, lock)))
                found[self.text(ind.owner[lock])] = self.text(z3.If(took, ind.me, ind.owner[lock]))
        return found

    def claim(self, claim: Claim) -> dict[str, object]:
        """A claim: `fails` is impossible where `given` is so, and the lemmas are, of these processes and elements."""
        return {
            "says": claim.name,
            "given": self.texts(claim.given),
            "fails": self.text(claim.fails),
            "uses": [f"({self.text(use.process)} {self.text(use.k)})" for use in claim.uses],
        }
