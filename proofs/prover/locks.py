"""Who waits for whom: that locks are not waited for in a circle, and that every operation ends.

An operation that is at work has ever fewer steps to take (`ranks`), so it ends unless it waits for ever. A lock that
is waited for is held by its owner, a ghost; where no owner waits, somebody can go on.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import z3

from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.language import LanguageError
from confsync.proofs.prover.carrier.terms import any_of, negation
from confsync.proofs.prover.invariant.induction import Claim, Induction, Use


def acyclic(ind: Induction) -> tuple[Claim, ...]:
    """No process waits for a lock that it holds, and no two for each other's."""
    program = ind.relation.program
    about = {
        lock: [
            n
            for n, p in enumerate(program.points)
            if _comes_to(program, n) and held in program.footprints[p.step].writes_local
        ]
        for lock, held in program.protocol.holders.items()
    }
    points = frozenset(n for each in about.values() for n in each)
    uses = (Use(ind.me, ind.k, points), Use(ind.p, ind.k, points))

    def waits(process: Any, lock: str) -> Any:
        return any_of([ind.at(process, n) for n in about[lock]])

    own = [
        Claim(f"nobody waits for `{x}` who holds it", (), z3.And(waits(ind.me, x), ind.holds(ind.me, x)), uses)
        for x in program.protocol.holders
    ]
    each_other = [
        Claim(
            f"no two wait for each other's `{one}` and `{two}`",
            (("another process", ind.p != ind.me),),
            z3.And(waits(ind.me, one), ind.holds(ind.me, two), waits(ind.p, two), ind.holds(ind.p, one)),
            uses,
        )
        for one, two in combinations(program.protocol.holders, 2)
    ]
    if len(program.protocol.locks) > 2:
        raise LanguageError("that locks are waited for in no circle is proved for two locks at most")
    return (*own, *each_other)


def _comes_to(program: Program, n: int) -> bool:
    """A process that is at work can wait at the point. One that waits to begin is at work on nothing."""
    return bool(n) and n not in program.first.values() and program.footprints[program.points[n].step].waits


def somebody_goes_on(ind: Induction) -> tuple[Claim, ...]:
    """Where a process at work waits, another at work can go on: it can't be that the owners of all locks that are held
    wait, too."""
    program, relation = ind.relation.program, ind.relation
    waiting = [n for n in range(len(program.points)) if _comes_to(program, n)]
    ranks(program)

    def blocked(process: Any) -> Any:
        view = relation.view(process)
        return any_of([z3.And(ind.at(process, n), relation.blocked(n, view)) for n in waiting])

    owners = [
        (f"who holds `{lock}` waits", z3.Implies(relation.shared.values[lock], z3.And(ind.holds(q, lock), blocked(q))))
        for lock, q in ind.owner.items()
    ]
    uses = tuple(Use(q, ind.k, frozenset(waiting)) for q in (ind.me, *ind.owner.values()))
    return (Claim("where a process waits another at work does not", tuple(owners), blocked(ind.me), uses),)


def somebody_begins(ind: Induction) -> tuple[Claim, ...]:
    """Where no operation is at work, one can begin, and is at work then."""
    begins = [
        z3.And(*(g for _, g in t.guards))
        for t in ind.relation.transitions
        if t.starts and t.label.kind is Kind.STEP and t.goes_to != IDLE
    ]
    everybody = (ind.me, *ind.owner.values())
    idle = tuple((f"`{q}` is idle", ind.at(q, IDLE)) for q in everybody)
    uses = tuple(Use(q, ind.k, frozenset({IDLE})) for q in everybody)
    return (Claim("where none is at work an operation can begin", idle, negation(any_of(begins)), uses),)


def ranks(program: Program) -> list[int]:
    """For each point the most steps that are still to be taken: every step leads to a lower one, so none is taken
    twice. LanguageError if a step leads back."""
    found = [0] * len(program.points)
    later = sorted(
        range(1, len(found)), key=lambda n: (not program.points[n].cleaning_up, len(program.points[n].remaining))
    )
    for n in later:
        found[n] = 1 + max(found[program.next[n]], found[program.failed[n]])
    for n in range(1, len(found)):
        for kind in Kind:
            if found[program.leads_to(kind, n)] >= found[n]:
                raise LanguageError(
                    f"design `{program.design.name}`: a step of `{program.points[n].operation}` leads back"
                )
    return found
