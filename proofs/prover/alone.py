"""What an operation does alone, on terms: its steps one after another, no failure, no death, nobody else.

Guards become conditions. The state it begins in can be any quiescent one, and what comes out is a state again, so
operations can be run one after another: something observed, made anew from that, and observed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confsync.model.engine.program import IDLE
from confsync.model.language import BOOL
from confsync.proofs.prover.carrier.relation import Relation, View
from confsync.proofs.prover.carrier.terms import Z3Cells
from confsync.proofs.prover.invariant.induction import Induction, Named, Use, first


@dataclass(frozen=True, slots=True)
class Ran:
    """An operation that was run alone. It succeeds where all of `passes` holds, and then leaves `shared`; `answer` is
    what the observer's locals were as it returned."""

    passes: tuple[Any, ...]
    shared: Z3Cells
    answer: Z3Cells | None


def quiescent(ind: Induction) -> tuple[tuple[Named, ...], tuple[Use, ...]]:
    """No operation is at work: nobody who could matter is anywhere. What is given then, and where lemmas are used."""
    everybody = (ind.me, *ind.owner.values())
    idle = tuple((f"`{q}` is idle", ind.at(q, IDLE)) for q in everybody)
    return (*ind.axioms, *idle), tuple(Use(q, ind.k, frozenset({IDLE})) for q in everybody)


def asked_with(relation: Relation, operation: str, given: Mapping[str, Any]) -> Z3Cells:
    """The locals that an operation begins with: these arguments, and any others that it takes; it holds nothing."""
    local = relation.cells.any(relation.protocol.local, tag=f" of {operation}")
    local.values |= {held: first(BOOL) for held in relation.protocol.held} | dict(given)
    return local


def run(relation: Relation, operation: str, shared: Z3Cells, given: Mapping[str, Any]) -> Ran:
    """Run an operation from a state, with these arguments (terms; for a map, a function from an element)."""
    program, local = relation.program, asked_with(relation, operation, given)
    view, passes, answer = View(relation.protocol, shared.copy(), local), list[Any](), None
    point = program.first[operation]
    while point:
        if program.answers(point):
            answer = view.local
        taken = next(relation.outcomes(point, view))
        passes += [guard for _, guard in taken.guards]
        view = taken.after.copy()
        point = taken.goes_to
    return Ran(tuple(passes), view.shared, answer)


def nothing(relation: Relation) -> Z3Cells:
    """The initial state: every field has its first value."""
    cells = relation.cells.any(relation.protocol.shared)
    for name, field in relation.protocol.shared_fields.items():
        value = first(field.sort)
        cells.values[name] = (lambda _, v=value: v) if field.over else value
    return cells
